"""One policy trained by two nodes of a TrainJob, and what can go wrong on the way."""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import edit_config
from custom_resources import CustomResource, needs_schemas
from kubernetes_stand_in import NAMESPACE, KubernetesStandIn

from palm.config_file import load_config
from palm.errors import ClusterError, ConfigError, PreemptedError, TrainingError
from palm.stages.inputs import check_inputs
from palm.stages.train_policy import train_policy
from palm.storage.s3 import s3_keys
from palm.train_job_config import TrainJobSettings
from palm.train_jobs.manifest import train_job_manifest

pytestmark = needs_schemas

NODES = {
    "nodes": 2,
    "image": "localhost/palm:0.1.0-gpu",
    "accelerator": None,
    "cpu": "1",
    "memory": "2Gi",
    "secret": "credentials-of-the-team",
}
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


@pytest.fixture
def cluster(tmp_path, s3, s3_server, monkeypatch):
    """The API that launchers find; credentials of the store are in a Secret only."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    credentials = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    stand_in = KubernetesStandIn(folder, {NODES["secret"]: credentials})
    monkeypatch.setenv("KUBECONFIG", str(stand_in.kubeconfig()))
    yield stand_in
    stand_in.close()


class Launcher:
    """The step train_policy as its component runs it, in a process of its own."""

    def __init__(self, workspace: Path, destination: str):
        self.policy, self.log = workspace / destination, workspace / f"{destination}.log"
        config = load_config(workspace / "portfolio.yaml").to_json()
        step = (
            "import json, sys; from palm.workers import run_step; config, weights, *paths = map(json.loads, sys.argv[1:])\n"
            "run_step('train_policy', json.dumps(config), weights, base_model=paths[0], rollouts=paths[1],"
            " destination=paths[2])"
        )
        paths = [str(workspace / "base"), str(workspace / "rollouts"), str(self.policy)]
        arguments = [config, json.dumps(WEIGHTS), *map(json.dumps, paths)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-c", step, *arguments], stdout=log, stderr=log)

    def until(self, condition, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)


def stored(prefix: str = "") -> set[str]:
    return {key.removeprefix("store/") for key in s3_keys(f"{STORE}/{prefix}" if prefix else STORE)}


def test_two_nodes_train_what_two_processes_train(cluster, built):
    """Told to stop and then killed on the way, it is taken up twice and ends with the same adapter to the bit."""
    edit_config(built, training=ON_NODES, storage__root=STORE)

    first = Launcher(built, "preempted")
    first.until(lambda: any("/rloo/step-" in key and key.endswith("manifest.json") for key in stored()))
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(30) == PreemptedError.exit_code == 75
    assert "was removed because this process was told to stop by SIGTERM" in first.log.read_text()
    assert not first.policy.exists()
    nodes = cluster.created[0].nodes
    assert [node.process.wait(60) for node in nodes] == [75, 75], "the nodes were to stop with a checkpoint"
    assert any("/rloo/step-" in key for key in stored())

    second = Launcher(built, "killed")
    second.until(lambda: len(cluster.created) == 2)
    second.process.kill()
    second.process.wait()

    third = Launcher(built, "policy")
    assert third.process.wait(90) == 0, third.log.read_text()
    assert len(cluster.created) == 2, "a TrainJob that is there already is watched, not made again"
    assert "is there already" in third.log.read_text()
    assert not cluster.jobs or cluster.jobs.popitem()[1].stopped
    record = json.loads((third.policy / "policy.json").read_text())
    assert record["resumed_from_step"] > 0 and record["steps"] == TOGETHER["steps"]
    manifest = json.loads((third.policy / "train_job.json").read_text())
    assert CustomResource("trainer.kubeflow.org_trainjobs.yaml").problems(manifest) == []
    assert manifest["metadata"]["name"] == cluster.created[1].object["metadata"]["name"]
    assert {key.split("/")[0] for key in stored()} == {record["policy"], "train-job-inputs"}

    edit_config(built, training={**TOGETHER, "processes": 2}, storage__root="store")
    expected = Launcher(built, "on-one-machine")
    assert expected.process.wait(90) == 0, expected.log.read_text()
    assert json.loads((expected.policy / "policy.json").read_text())["policy"] == record["policy"]
    adapters = [(folder / "adapter_model.safetensors").read_bytes() for folder in (third.policy, expected.policy)]
    assert adapters[0] == adapters[1]
