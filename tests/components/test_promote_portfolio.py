"""The component promote_portfolio in a pipeline of its own, against a real MLflow."""

from pathlib import Path
from typing import NamedTuple

from kfp import dsl
from mini_pipeline import content, given, given_all, run_locally

from components.promote_portfolio.component import promote_portfolio
from palm.build_record import BUILD_VARIABLE
from palm.config_file import parse_config
from palm.stages.register_portfolio import register_portfolio
from palm.storage.files import read_json

Judged = NamedTuple("Judged", verdict=dsl.Artifact, gate=dsl.Markdown)


def judged(build, config: str, folder: Path, monkeypatch, *, registration=None) -> tuple[dsl.Artifact, str]:
    """The verdict, and what a person reads of it."""

    monkeypatch.setenv(BUILD_VARIABLE, "component")

    @dsl.pipeline
    def alone() -> Judged:
        task = promote_portfolio(
            config=config,
            registration=given(dsl.Artifact, registration or build.registration),
            selection=given(dsl.Artifact, build.selection),
            evaluations=given_all(dsl.Dataset, build.evaluations),
            plan=given(dsl.Dataset, build.plan),
        )
        return Judged(task.outputs["verdict"], task.outputs["gate"])

    outputs = run_locally(alone, folder)
    return outputs["verdict"], Path(outputs["gate"].path).read_text(encoding="utf-8")


def test_promotes_what_the_library_promotes(build, config, tmp_path, monkeypatch):
    made, gate = judged(build, config, tmp_path, monkeypatch)
    library = read_json(build.verdict)
    # The library's own promotion made this version the champion: this is what a retry does.
    assert content(made) == library
    assert (made.metadata["promoted"], made.metadata["reason"]) == (True, library["reason"])
    assert gate == build.gate.read_text(encoding="utf-8")


def test_a_refusal_is_a_result_with_its_reason(build, config, tmp_path, monkeypatch):
    parsed, epsilon = parse_config(config), read_json(build.selection)["epsilon"]
    strict = parsed.model_copy(
        update={
            "promotion": parsed.promotion.model_copy(update={"max_epsilon": 0.0}),
            "registry": parsed.registry.model_copy(update={"model": "strict"}),
        }
    )
    registration = tmp_path / "registration"
    register_portfolio(
        strict,
        "component",
        policies=build.policies,
        base_model=build.base_model,
        design=build.design,
        selection=build.selection,
        destination=registration,
        plan=build.plan,
    )
    made, gate = judged(build, strict.to_json(), tmp_path, monkeypatch, registration=registration)
    assert epsilon > 0
    assert made.metadata["promoted"] is content(made)["promoted"] is False
    assert f"worst-case gap {epsilon:.4f} (bound " in made.metadata["reason"]
    assert made.metadata["reason"] in gate and "was not promoted" in gate
