"""Limits of MLflow and Kubernetes, told by the configuration before anything is spent."""

import json

import pytest
from support.errors import one_line
from support.workspace import edit_config

from palm.builds.launch.manifest import train_job_manifest
from palm.config.load import load_config, parse_config
from palm.config.resolve import LONGEST_ADDRESS, publish_config
from palm.config.train_job import TrainJobSettings
from palm.errors import ConfigError
from palm.registry.client import Client
from palm.registry.experiment import ensure_experiment

NODES = {"nodes": 1, "cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "n" * 129}, "name="),
        ({"registry__experiment": "e" * 241}, "241 characters, at most 240"),
        ({"registry__model": "m" * 241}, "241 characters, at most 240"),
        ({"cluster": {"tasks": {"node_selector": {"pool": "a b"}}}}, "tasks.node_selector="),
        ({"cluster": {"tasks": {"node_selector": {"pool": "v" * 64}}}}, "tasks.node_selector="),
        ({"cluster": {"tasks": {"node_selector": {"-pool": "a"}}}}, "tasks.node_selector="),
        ({"cluster": {"tasks": {"tolerations": [{"key": "a key"}]}}}, "tolerations.0.key"),
        ({"training__train_job": {**NODES, "labels": {"a": "b/c"}}}, "train_job.labels="),
        ({"training__train_job": {**NODES, "secret": "My_Secret"}}, "train_job.secret"),
        ({"training__train_job": {**NODES, "environment": {"A B": "c"}}}, "no name of a variable"),
        ({"training__train_job": {**NODES, "environment": {"A": "x" * 100_000}}}, "100001 bytes, at most 100000"),
    ],
)
def test_what_others_would_refuse_is_told_by_the_configuration(workspace, changes, words):
    with one_line(ConfigError, words):
        load_config(edit_config(workspace, **changes))


def test_the_longest_names_fit(workspace):
    config = load_config(
        edit_config(
            workspace,
            name="n" * 128,
            registry__experiment="e" * 240,
            registry__model="m" * 240,
            cluster={"tasks": {"node_selector": {f"{'p' * 250}.io/{'k' * 63}": "v" * 63, "empty": ""}}},
        )
    )
    client = Client(config.registry)
    assert ensure_experiment(client) and client.create_registered_model(f"{config.registry.model}-promotions")


def test_objects_and_parameters_stay_below_their_limits(workspace, s3):
    """Kubernetes refuses objects over 1 MiB, Kubeflow Pipelines parameters over 10,000 bytes."""
    settings = TrainJobSettings(**NODES, environment={"A": "x" * 99_000}, labels={"k": "v"})
    manifest = train_job_manifest(settings, "policy-0123456789ab", namespace="n", image="i", command=[], processes=1)
    assert len(json.dumps(manifest)) < 1 << 20 and len(manifest["metadata"]["name"]) <= 63
    raw = json.loads(load_config(edit_config(workspace, storage__root="s3://palm/store")).to_json())
    raw["design"] |= {"strategy": "weights", "size": None, "weights": [[0.5, 0.5]] * 20_000}
    assert len(json.dumps(raw)) > 128 << 10
    assert len(publish_config(parse_config(json.dumps(raw)))) <= LONGEST_ADDRESS
