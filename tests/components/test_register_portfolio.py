"""The component register_portfolio in a pipeline of its own, against a real MLflow."""

from pathlib import Path
from typing import NamedTuple

from kfp import dsl
from support.mini_pipeline import content, given, run_locally

from palm.builds.records import BUILD_VARIABLE, page_name
from palm.components.register_portfolio.component import register_portfolio
from palm.config.load import parse_config
from palm.config.portfolio import PortfolioConfig
from palm.promotion import promotions
from palm.registry.connection import connected
from palm.storage.files import read_json

Registered = NamedTuple("Registered", gate=dsl.Markdown, summary=dsl.Artifact)
BUILD = "component"


def registered(build, config: PortfolioConfig, folder: Path) -> tuple[str, dict, dict]:
    """Page of the gate, summary, and metadata of the summary."""

    @dsl.pipeline
    def alone() -> Registered:
        task = register_portfolio(
            config=config.to_json(),
            plan=given(dsl.Dataset, build.plan),
            selection=given(dsl.Artifact, build.selection),
        )
        return Registered(task.outputs["gate"], task.outputs["summary"])

    made = run_locally(alone, folder)
    return Path(made["gate"].path).read_text(encoding="utf-8"), content(made["summary"]), made["summary"].metadata


def stocked(build, config: str, keep, **registry) -> PortfolioConfig:
    entries = (entry[key] for entry in build.measured for key in ("policy", "evaluation"))
    keep(*build.reference.values(), *entries)
    parsed = parse_config(config)
    return parsed.model_copy(update={"registry": parsed.registry.model_copy(update=registry)})


def log_of(config: PortfolioConfig) -> list[tuple[str | None, str, str]]:
    entries = promotions(config).log.read().valid
    return [(entry.before, entry.after, entry.who) for entry in entries]


def test_registers_promotes_and_reports_what_the_library_does_once_however_often_it_is_tried(
    build, config, keep, tmp_path, monkeypatch
):
    monkeypatch.setenv(BUILD_VARIABLE, BUILD)
    ours = stocked(build, config, keep, model="again")
    gate, summary, shown = registered(build, ours, tmp_path / "first")
    library, verdict = read_json(build.summary), read_json(build.verdict)
    registration = summary["registration"]
    assert registration["model"] == "again" and registration["run_id"] != library["registration"]["run_id"]
    assert summary == {
        **library,
        "build_id": BUILD,
        # This build trained none of them.
        "policies": [{**policy, "reused": True} for policy in library["policies"]],
        "trained": [],
        "reused": library["trained"],
        "device_seconds": 0,
        "device_seconds_saved": library["device_seconds"],
        **{key: summary[key] for key in ("created", "config_yaml", "registration")},
    }
    assert summary["promotion"] == verdict
    assert shown == {"model": "again", "version": "1", "promoted": True, "reason": verdict["reason"]}
    assert gate == build.gate.read_text(encoding="utf-8").replace(build.config.registry.model, "again")
    page = (Path(ours.storage.root) / page_name(BUILD)).read_text(encoding="utf-8")
    assert "<html" in page and all(name in page for name in library["selection"]["portfolio"])
    assert log_of(ours) == [(None, "1", f"build {BUILD}")]
    with connected(ours.registry) as client:
        models = ("again", build.config.registry.model)
        epsilons = [client.get_model_version(model, "1").tags["palm.epsilon"] for model in models]
    assert epsilons[0] == epsilons[1]
    # What a build uses, though others have made it, is kept from garbage collection.
    used = Path(ours.storage.root) / "builds" / BUILD / "uses"
    assert {path.stem for path in used.iterdir()} == {
        *build.reference.values(),
        *(entry[key] for entry in build.measured for key in ("policy", "evaluation")),
    }
    _, again, _ = registered(build, ours, tmp_path / "again")
    assert again["registration"] == registration and again["promotion"] == summary["promotion"]
    assert log_of(ours) == [(None, "1", f"build {BUILD}")]
    with connected(ours.registry) as client:
        assert len(client.search_model_versions("name = 'again'")) == 1


def test_a_refusal_is_a_result_with_its_reason(build, config, keep, tmp_path, monkeypatch):
    monkeypatch.setenv(BUILD_VARIABLE, BUILD)
    epsilon = read_json(build.selection)["epsilon"]
    ours = stocked(build, config, keep, model="strict")
    strict = ours.model_copy(update={"promotion": ours.promotion.model_copy(update={"max_epsilon": 0.0})})
    gate, summary, shown = registered(build, strict, tmp_path / "run")
    assert epsilon > 0
    assert shown["promoted"] is summary["promotion"]["promoted"] is False
    assert f"worst-case gap {epsilon:.4f} (bound " in shown["reason"]
    assert shown["reason"] in gate and "was not promoted" in gate
    assert summary["registration"]["aliases"] == ["challenger"] and log_of(strict) == []
