"""Commands for a cluster, with variables that name another MLflow, S3, hub or Kubeflow Pipelines."""

import pytest
from support.cluster_commands import palm
from support.hostile_environment import hostile_mlflow, hostile_others
from support.small_portfolio import make_versions, promote
from support.workspace import edit_config

from palm.cluster.rollout import VERSION
from palm.config.load import load_config

ELSEWHERE = "http://127.0.0.1:9"


@pytest.fixture
def turn_hostile(monkeypatch):
    """Set the variables, except those by which these tests reach their S3 server."""

    def turn() -> None:
        for name, value in {**hostile_mlflow(ELSEWHERE), **hostile_others()}.items():
            if not name.startswith("AWS_"):
                monkeypatch.setenv(name, value)

    return turn


def test_runs_go_where_the_command_says(kfp, submit, schedule, turn_hostile):
    turn_hostile()
    submit("--no-validate", "--experiment", "mine")
    schedule("--cron", "0 0 2 * * *", "--experiment", "mine")
    assert {entry["display_name"] for entry in kfp.experiments.values()} == {"mine"}
    (run,) = kfp.runs
    assert run in palm("runs", "--host", kfp.url, "--experiment", "mine", "--json").stdout


def test_the_champion_of_the_configuration_is_rolled_out(kubernetes, workspace, turn_hostile):
    kubernetes.add_deployment("serving", "vllm", replicas=1)
    config = load_config(workspace / "portfolio.yaml")
    make_versions(config.registry, 2)
    promote(config, "2")
    turn_hostile()
    palm("rollout", workspace / "portfolio.yaml", "--deployment", "vllm", "--namespace", "serving")
    assert kubernetes.deployments["serving", "vllm"].spec.template.metadata.annotations[VERSION] == "2"


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        (("gc", "--dry-run"), {"AWS_PROFILE": "nobody"}),
        (("gc", "--dry-run"), {"AWS_ENDPOINT_URL_S3": ELSEWHERE, "AWS_MAX_ATTEMPTS": "1"}),
        (("history",), {"MLFLOW_WORKSPACE": "elsewhere"}),
        (("submit", "--no-validate"), {"KF_PIPELINES_IAP_OAUTH2_CLIENT_ID": "nobody"}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_what_cannot_be_reached_so_is_one_line(kfp, cluster_workspace, own_mlflow, monkeypatch, command, variables):
    edit_config(cluster_workspace, registry__tracking_uri=own_mlflow.uri)
    for name, value in {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", **variables}.items():
        monkeypatch.setenv(name, value)
    host = ("--host", kfp.url) if command[0] == "submit" else ()
    shown = palm(command[0], cluster_workspace / "portfolio.yaml", *command[1:], *host, code=1).stderr
    assert shown.startswith("error: ") and shown.count("\n") == 1
