"""Registration, promotion and answering against a real MLflow on SQLite, with a real tiny portfolio."""

import json
import shutil
import subprocess
import sys

import mlflow
import numpy as np
import pytest
from support.cluster_commands import palm
from support.concurrent_register import parents_and_children
from support.small_portfolio import promote

from palm.config.load import load_config
from palm.errors import RegistryError, WeightsError
from palm.promotion.answer import answer
from palm.promotion.load import load
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.registry.runs import builds_of
from palm.serving.router import Router
from palm.steps.register_portfolio import register_portfolio
from palm.steps.select_portfolio import select_portfolio


@pytest.fixture
def built(workspace, build):
    """Everything before registration: copies of the library's three policies, two of them selected."""
    config = load_config(workspace / "portfolio.yaml")
    shutil.copytree(build.folder / "base_model", workspace / "base")
    policies = [shutil.copytree(path, workspace / path.name) for path in build.policies]
    select_portfolio(config, evaluations=build.evaluations, destination=workspace / "portfolio.json")
    return workspace, config, policies


def register(built, build_id="build-1", design=None):
    folder, config, policies = built
    (folder / "design.json").write_text(json.dumps(design or {}))
    return register_portfolio(
        config,
        build_id=build_id,
        policies=policies,
        base_model=folder / "base",
        design=folder / "design.json",
        selection=folder / "portfolio.json",
        destination=folder / f"registration-{build_id}.json",
    )


def test_one_version_one_parent_one_child_a_policy_and_a_retry_adds_nothing(built, client):
    _, config, _ = built
    first = register(built)
    assert first.version == "1" and first.aliases == ("challenger",)
    assert register(built) == first
    assert len(client.search_model_versions(f"name = '{config.registry.model}'")) == 1
    parents, children = parents_and_children(client, config.registry)
    assert [run.info.run_id for run in parents] == [first.run_id]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {first.run_id}
    assert len(children) == 3 and {run.info.status for run in children} == {"FINISHED"}
    assert [run.info.status for run in parents] == ["RUNNING"]
    for run in children:
        assert {"objective", "kl", "reward/length", "reward/vowels", "train/loss"} <= run.data.metrics.keys()
        assert {"weight/length", "weight/vowels"} <= run.data.params.keys()
    other = register(built, "build-2", {"changed": True})
    assert other.version == "2" and other.run_id != first.run_id
    assert str(client.get_model_version_by_alias(config.registry.model, "challenger").version) == "2"


def test_another_build_of_the_same_content_comes_to_the_same_version_and_run(built, client):
    folder, config, policies = built
    first = register(built)
    # What a second build has from the store: the same policies, marked as reused.
    for policy in policies:
        record = json.loads((policy / "policy.json").read_text())
        (policy / "policy.json").write_text(json.dumps({**record, "reused": True, "training_seconds": 0.5}))
    assert register(built, "build-2") == first
    version = client.get_model_version(config.registry.model, first.version)
    assert version.tags["palm.build_id"] == "build-1" and builds_of(version.tags) == ["build-1", "build-2"]
    assert "certified worst-case gap" in version.description and first.run_id in version.description
    run = client.get_run(first.run_id)
    assert builds_of(run.data.tags) == ["build-1", "build-2"]
    weights = next(policies[0].rglob("adapter_model.safetensors"))
    weights.write_bytes(weights.read_bytes() + b" ")
    chosen = json.loads((folder / "portfolio.json").read_text())["portfolio"]
    in_portfolio = json.loads((policies[0] / "policy.json").read_text())["policy"] in chosen
    assert (register(built, "build-3") == first) is not in_portfolio


def test_the_run_of_a_build_ends_with_its_report_or_its_failure(built, client):
    folder, config, _ = built
    first = register(built)
    (folder / "report.html").write_text("<p>fine</p>")
    PortfolioRegistry(config).fail("build-1", "the report failed")
    assert client.get_run(first.run_id).info.status == "FAILED"
    assert register(built) == first and client.get_run(first.run_id).info.status == "RUNNING"
    PortfolioRegistry(config).finish(first.run_id, [folder / "report.html"])
    assert client.get_run(first.run_id).info.status == "FINISHED"
    assert "report.html" in {entry.path for entry in client.list_artifacts(first.run_id)}
    # A later build of the same content that fails has a run of its own: the finished one stays what it was.
    assert register(built, "build-2") == first
    PortfolioRegistry(config).fail("build-2", "the gate failed")
    PortfolioRegistry(config).fail("build-2", "the gate failed")
    parents, _ = parents_and_children(client, config.registry)
    assert sorted(run.info.status for run in parents) == ["FAILED", "FINISHED"]


LOAD = """
import json, sys, mlflow, pandas as pd
uri, model, weights = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
mlflow.set_tracking_uri(uri)
loaded = mlflow.pyfunc.load_model(f"models:/{model}@champion")
rows = pd.DataFrame({"prompt": ["say tea"] * len(weights), "weights": weights})
print("ANSWERS" + json.dumps(loaded.predict(rows, params={"seed": 3}).to_dict("records")))
"""


def test_a_new_process_and_palm_generate_answer_alike_with_the_routers_policy(built):
    folder, config, _ = built
    registered = register(built)
    promote(config, registered.version)
    selection = json.loads((folder / "portfolio.json").read_text())
    records = {record["policy"]: record["value_vector"] for record in selection["policies"]}
    names = tuple(selection["portfolio"])
    router = Router(tuple(config.reward_names), names, np.array([records[name] for name in names]))
    weights = [[1.0, 0.0], [0.4, 0.6], [0.0, 1.0]]
    arguments = [config.registry.tracking_uri, config.registry.model, json.dumps(weights)]
    result = subprocess.run([sys.executable, "-c", LOAD, *arguments], capture_output=True, text=True, check=True)
    answers = json.loads(result.stdout.split("ANSWERS")[1])
    assert [entry["policy"] for entry in answers] == [router.route(point) for point in weights]
    mlflow.set_tracking_uri(config.registry.tracking_uri)
    served = load(f"models:/{config.registry.model}@champion")
    for point, expected in zip(weights, answers, strict=True):
        assert vars(served.answer("say tea", dict(zip(config.reward_names, point, strict=True)), seed=3)) == expected
        options = ("--weights", ",".join(map(str, point)), "--seed", "3", "--json")
        assert json.loads(ask(folder, *options).stdout) == expected


def ask(folder, *options: str, code: int = 0):
    return palm("generate", "--config", folder / "portfolio.yaml", "--prompt", "say tea", *options, code=code)


def test_questions_that_cannot_be_answered(built):
    folder, config, _ = built
    with pytest.raises(RegistryError, match="@champion: does not exist"):
        answer(config, "say tea", [0.5, 0.5], alias="champion", seed=0, temperature=1.0)
    register(built)
    with pytest.raises(WeightsError):
        answer(config, "say tea", [0.5, 0.6], alias="challenger", seed=0, temperature=1.0)
    mlflow.set_tracking_uri(config.registry.tracking_uri)
    with pytest.raises(RegistryError, match=f"^models:/{config.registry.model}@nobody: does not exist"):
        load(f"models:/{config.registry.model}@nobody")
    with pytest.raises(RegistryError, match="^models:/latest: names no version"):
        load("models:/latest")
    for weights in ("0.5,half", "0.5", "-0.5,1.5"):
        result = ask(folder, "--weights", weights, code=1)
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
