"""Training of one policy by two nodes of a TrainJob, and its failures."""

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.custom_resources import CustomResource
from support.kubernetes_api import write_kubeconfig
from support.schemas import needs_schemas
from support.train_job_stand_in import NAMESPACE, NODES, TrainJobStandIn
from support.trainings import train
from support.workspace import edit_config

from palm.artifacts.policy import Policy
from palm.builds.inputs import check_inputs
from palm.builds.rebuild.snapshot import take_snapshot
from palm.config.load import load_config
from palm.errors import BuildError, ClusterError, ConfigError, PreemptedError, TrainingError
from palm.storage.s3_backend import S3Backend
from palm.training.task import training_task

pytestmark = needs_schemas

TOGETHER = {
    "steps": 14,
    "prompts_per_step": 4,
    "responses_per_prompt": 4,
    "micro_batch_size": 8,
    "warm_start": "rwr",
    "checkpoint_steps": 1,
    "rwr": {"batch_size": 512},
}
ON_NODES = {**TOGETHER, "launcher": "trainjob", "train_job": NODES}
WEIGHTS = [0.7, 0.3]
STORE = "s3://palm/store"
LIMIT_SECONDS = 900
"""Far beyond what a training takes, also on a busy machine."""


@pytest.fixture
def cluster(tmp_path, s3, s3_server, monkeypatch):
    """The API that launchers find; credentials of the store are in a Secret only."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    credentials = {"AWS_ENDPOINT_URL": s3_server, "AWS_DEFAULT_REGION": "us-east-1"}
    credentials |= dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "test")
    with TrainJobStandIn(folder, {NODES["secret"]: credentials}) as server:
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(folder / "kubeconfig", server.url, namespace=NAMESPACE)))
        yield server


class Launcher:
    def __init__(self, workspace: Path, destination: str):
        self.policy, self.log = workspace / destination, workspace / f"{destination}.log"
        config = load_config(workspace / "portfolio.yaml").to_json()
        paths = {"base_model": workspace / "base", "rollouts": workspace / "rollouts", "destination": self.policy}
        paths = {name: str(path) for name, path in paths.items()}
        step = (
            "from palm.config.load import parse_config; from palm.steps.run import run_step; "
            f"run_step('train_policy', parse_config({config!r}), {WEIGHTS}, **{paths})"
        )
        with self.log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-c", step], stdout=log, stderr=log)

    def until(self, condition, seconds: float = LIMIT_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)


def stored(prefix: str = "") -> set[str]:
    return {file.name for file in S3Backend(STORE).files(prefix)}


def test_two_nodes_train_what_two_processes_train(cluster, built):
    """Stopped once and killed once, the training resumes twice and ends with the same adapter to the bit."""
    edit_config(built, training=ON_NODES, storage__root=STORE)

    first = Launcher(built, "preempted")
    first.until(lambda: any("/rloo/step-" in key and key.endswith("manifest.json") for key in stored()))
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(LIMIT_SECONDS) == PreemptedError.exit_code == 75
    assert "was removed because this process was told to stop by SIGTERM" in first.log.read_text()
    assert not first.policy.exists()
    nodes = cluster.created[0].nodes
    assert [node.process.wait(LIMIT_SECONDS) for node in nodes] == [75, 75], "the nodes were to stop with a checkpoint"
    assert any("/rloo/step-" in key for key in stored())

    second = Launcher(built, "killed")
    second.until(lambda: len(cluster.created) == 2)
    second.process.kill()
    second.process.wait()

    third = Launcher(built, "policy")
    assert third.process.wait(LIMIT_SECONDS) == 0, third.log.read_text()
    assert len(cluster.created) == 2, "a TrainJob that is there already is watched, not made again"
    assert not cluster.jobs or cluster.jobs.popitem()[1].stopped
    record = Policy.read(third.policy)
    assert record.resumed_from_step > 0 and record.steps == TOGETHER["steps"]
    manifest = json.loads((third.policy / "train_job.json").read_text())
    assert CustomResource("trainer.kubeflow.org_trainjobs.yaml").problems(manifest) == []
    assert manifest["metadata"]["name"] == cluster.created[1].object["metadata"]["name"]
    assert {key.split("/")[0] for key in stored()} == {record.policy, "train-job-inputs"}

    edit_config(built, training={**TOGETHER, "processes": 2}, storage__root="store")
    expected = Launcher(built, "on-one-machine")
    assert expected.process.wait(LIMIT_SECONDS) == 0, expected.log.read_text()
    assert Policy.read(expected.policy).policy == record.policy
    adapters = [(folder / "adapter_model.safetensors").read_bytes() for folder in (third.policy, expected.policy)]
    assert adapters[0] == adapters[1]


@pytest.fixture
def training(cluster, built):
    def on_nodes(**changes) -> Policy:
        nodes = {**ON_NODES, "train_job": {**NODES, **changes}}
        return train(built, "policy", WEIGHTS, training=nodes, storage__root=STORE)

    return on_nodes


def test_the_error_of_a_failed_node_is_reported(training, cluster, built, monkeypatch):
    """Another training revision in the nodes' image; the next attempt replaces the TrainJob."""
    monkeypatch.setattr("palm.builds.launch.request.TRAINING_REVISION", 99)
    words = r"node-0-\d-\w+ with exit code 1: .*is asked by revision 99"
    with pytest.raises(TrainingError, match=rf"TrainJob {NAMESPACE}/.*: failed \(FailedJobs: .*{words}") as caught:
        training()
    assert "\n" not in str(caught.value)
    assert not (built / "policy").exists()
    (first,) = cluster.jobs.values()
    with pytest.raises(TrainingError, match="is asked by revision 99"):
        training()
    first_uid, second_uid = (job.object["metadata"]["uid"] for job in cluster.created)
    assert first.object["metadata"]["uid"] == first_uid != second_uid


@contextmanager
def soon(condition, act):
    """Do something in another thread once a condition holds."""

    def wait() -> None:
        while not condition():
            time.sleep(0.05)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


def test_a_node_that_gets_sigterm_is_a_reason_to_try_again(training, cluster):
    """As when its pod is evicted."""

    def trains() -> bool:
        return cluster.created and "node 0 start" in cluster.created[0].nodes[0].log.read_text()

    with (
        soon(trains, lambda: cluster.created[0].nodes[0].process.terminate()),
        pytest.raises(PreemptedError, match="ended because a node was told to stop by SIGTERM"),
    ):
        training()


def test_nodes_that_cannot_be_scheduled_time_out(training, cluster):
    cluster.schedulable = False
    with pytest.raises(BuildError, match=r"within timeout_seconds=1 \(0/3 nodes are available: 3 Insufficient"):
        training(timeout_seconds=1)
    assert "deletionTimestamp" in cluster.created[0].object["metadata"]


def test_a_removed_train_job_is_a_reason_to_try_again(training, cluster):
    cluster.schedulable = False
    removed = pytest.raises(PreemptedError, match="was removed while it was being waited for")
    with soon(lambda: cluster.jobs, lambda: cluster.jobs.clear()), removed:
        training()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"runtime": "tourch"}, "refused: 422 .*ClusterTrainingRuntime 'tourch' not found; correct training.train_job"),
        ({"image": None}, "get pod team/.*: was refused: 404 .*; set training.train_job.image"),
        ({"image": "i" * 501}, "was refused: 422 .*spec.trainer.image: .* is too long"),
    ],
)
def test_a_refusal_of_the_cluster_is_reported(training, cluster, changes, words):
    with pytest.raises(ClusterError, match=words):
        training(**changes)
    assert not cluster.created


def test_nodes_run_the_image_of_their_launcher(training, cluster, monkeypatch):
    cluster.schedulable = False
    containers = [{"name": "wait", "image": "argo"}, {"name": "main", "image": "localhost/palm:1-gpu"}]
    cluster.pods["train-policy-1"] = {"metadata": {"name": "train-policy-1"}, "spec": {"containers": containers}}
    monkeypatch.setenv("KFP_POD_NAME", "train-policy-1")
    with pytest.raises(BuildError, match="timeout_seconds"):
        training(image=None, timeout_seconds=1)
    assert cluster.created[0].object["spec"]["trainer"]["image"] == "localhost/palm:1-gpu"


def test_no_cluster(training, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ClusterError, match="launcher=trainjob: needs a Kubernetes cluster, there is none here"):
        training()


def test_nodes_are_not_part_of_a_policys_name(built):
    """Only the number of processes that share a step is."""

    def name(**training) -> tuple[str, dict]:
        config = load_config(edit_config(built, training={**TOGETHER, **training}))
        task = training_task(config, WEIGHTS, base_model="b", prompts="p", rewards=["r", "s"])
        return task.name, take_snapshot(config)

    four = {"micro_batch_size": 4, "processes": 4}
    on_two_nodes = {**four, "processes": 2, "launcher": "trainjob", "train_job": NODES}
    with_another_image = {**on_two_nodes, "train_job": {**NODES, "image": "other", "memory": "1Gi"}}
    assert name(**four) == name(**on_two_nodes) == name(**with_another_image)
    assert name(**four) != name(**{**on_two_nodes, "train_job": {**NODES, "nodes": 1}})


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({}, "launcher=trainjob, storage.root=.*: its nodes see no folder of this machine"),
        ({"train_job": None}, "the section `train_job` is required with launcher: trainjob"),
        ({"launcher": "pod"}, "the section `train_job` is required .* refused with launcher: pod"),
        ({"micro_batch_size": 16}, "micro_batch_size=16 × processes=1 × train_job.nodes=2: must divide"),
        ({"memory": "64 GB"}, "memory='64 GB': string should match pattern"),
        ({"nodse": 2}, "train_job.nodse=2: is not a known key; did you mean 'nodes'"),
        ({"environment": {"HF_TOKEN": "x"}}, "holds HF_TOKEN, which would be stored with every build"),
        ({"environment": {"PET_NNODES": "2"}}, "holds PET_NNODES, which the runtime sets"),
        ({"tolerations": [{"key": "a", "value": "b"}]}, "value is refused with operator"),
    ],
)
def test_mistakes_are_found_before_anything_is_spent(built, training, words):
    changes = training if training.keys() <= ON_NODES.keys() else {"train_job": {**NODES, **training}}
    with pytest.raises(ConfigError, match=words):
        check_inputs(load_config(edit_config(built, training={**ON_NODES, **changes})))


def test_nodes_do_not_see_a_tracking_store_in_a_file(built, s3):
    served = [{"name": "length", "uri": "python:rewards.py:length"}, {"name": "a", "uri": "mlflow:models:/a/1"}]
    edit_config(built, training=ON_NODES, storage__root=STORE, rewards=served)
    with pytest.raises(ConfigError, match="reward 'a': its nodes do not see registry.tracking_uri=sqlite:"):
        check_inputs(load_config(built / "portfolio.yaml"))
