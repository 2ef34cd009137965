"""`palm rollout` against a stand-in for the API server; the test acts as the controller."""

import pytest
from support.cluster_commands import palm
from support.published import publish, upload_base
from support.small_portfolio import make_versions, promote
from support.workspace import edit_config

from palm.cluster.rollout import VERSION
from palm.config.load import load_config
from palm.promotion import promotions
from palm.storage.digest import folder_digests

NAMESPACE = "serving"


@pytest.fixture
def cluster(kubernetes):
    kubernetes.add_deployment(NAMESPACE, "vllm", replicas=2)
    return kubernetes


def annotation(cluster) -> str | None:
    return (cluster.deployments[NAMESPACE, "vllm"].spec.template.metadata.annotations or {}).get(VERSION)


def roll_out(path, code: int = 0, deployment: str = "vllm") -> str:
    line = palm("rollout", path, "--deployment", deployment, "--namespace", NAMESPACE, code=code).output
    assert line.count("\n") == 1
    return line.strip()


def test_pods_follow_the_champion_there_and_back(cluster, server_workspace, base_model, s3, tmp_path):
    """What the annotation names is what a new pod's init container then fetches."""
    upload_base(s3, base_model)
    path = server_workspace / "portfolio.yaml"
    config = load_config(path)
    folders = {}

    def pulled_files() -> dict[str, str]:
        models = tmp_path / f"pod-{len(cluster.patches)}"
        palm("pull", path, models, "--dtype", "bfloat16", environment={"PALM_VERSION": annotation(cluster)})
        return folder_digests(models / "portfolio" / "adapters")

    for version, before in (("1", None), ("2", "1")):
        folders[version] = publish(config, server_workspace, base_model, seed=10 * int(version))
        promote(config, version, against=before)
        earlier = f"version {before}" if before else "unset"
        assert roll_out(path).endswith(f"was {earlier}, is being rolled out to version {version}")
        assert annotation(cluster) == version
        assert pulled_files() == folder_digests(folders[version] / "adapters")
        cluster.settle(NAMESPACE, "vllm", ready=2)
    # Another champion meanwhile does not reach the pods of this ReplicaSet.
    promotions(config).rollback(why="worse", who="test")
    assert pulled_files() == folder_digests(folders["2"] / "adapters")
    assert "was version 2, is being rolled out to version 1" in roll_out(path)
    assert pulled_files() == folder_digests(folders["1"] / "adapters")
    cause = cluster.deployments[NAMESPACE, "vllm"].metadata.annotations["kubernetes.io/change-cause"]
    assert cause == f"palm rollout: {config.registry.model} version 1"


@pytest.fixture
def champion(cluster, workspace):
    """Version 1, champion, on a SQLite file."""
    path = workspace / "portfolio.yaml"
    config = load_config(path)
    make_versions(config.registry, 2)
    promote(config, "1")
    return path


def test_what_is_as_it_should_be_is_left_alone(cluster, champion):
    roll_out(champion)
    assert roll_out(champion).endswith("version 1 is being rolled out")
    cluster.settle(NAMESPACE, "vllm", ready=1)
    assert roll_out(champion).endswith("version 1 is being rolled out, 1 of 2 pods")
    cluster.settle(NAMESPACE, "vllm", ready=2)
    assert roll_out(champion).endswith("serves version 1, the champion")
    assert len(cluster.patches) == 1


def test_a_rollout_that_failed_is_an_error_until_another_champion_comes(cluster, champion):
    roll_out(champion)
    cluster.settle(NAMESPACE, "vllm", ready=1, stuck='ReplicaSet "vllm-5d" has timed out progressing.')
    line = roll_out(champion, code=1)
    assert "version 1 could not be rolled out (ProgressDeadlineExceeded: ReplicaSet" in line and "palm rollback" in line
    promote(load_config(champion), "2", against="1")
    assert "was version 1, is being rolled out to version 2" in roll_out(champion)


def test_nothing_is_rolled_out_before_something_was_promoted(cluster, config, tmp_path):
    assert "no champion yet" in roll_out(tmp_path / "portfolio.yaml")
    assert not cluster.patches


def test_obstacles_are_named(cluster, champion, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert "deployment serving/other: does not exist" in roll_out(champion, code=1, deployment="other")
    cluster.forbidden = {"deployments"}
    assert "deployment serving/vllm: cannot be read (403" in roll_out(champion, code=1)
    cluster.forbidden = {"PATCH deployments"}
    assert "deployment serving/vllm: cannot be changed (403" in roll_out(champion, code=1)
    edit_config(tmp_path, registry__tracking_uri="http://127.0.0.1:9")
    assert "MLflow failed" in roll_out(champion, code=1)
    assert not cluster.patches
