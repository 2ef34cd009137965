"""Check of the machine, before any work is done."""

import os
from importlib.util import find_spec

import pytest
import torch
from support.workspace import edit_config
from typer.testing import CliRunner

from palm.builds.inputs import check_inputs
from palm.cli.main import app
from palm.config.load import load_config
from palm.errors import ConfigError


def check(workspace, **changes):
    return check_inputs(load_config(edit_config(workspace, **changes)))


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
@pytest.mark.parametrize("vllm", [{"mode": "colocate"}, {"mode": "server", "server_url": "http://localhost:8000"}])
def test_vllm_that_is_not_installed(workspace, vllm):
    with pytest.raises(ConfigError, match=f"training.vllm.mode={vllm['mode']}: vLLM is not installed here"):
        check(workspace, training__vllm=vllm)


def test_vllm_does_not_matter_where_nothing_is_generated(workspace):
    check(workspace, training__vllm={"mode": "colocate"}, training__backend="rwr")


def test_more_processes_than_the_machine_has(workspace):
    unit = "GPUs" if torch.cuda.is_available() else "cores"
    many = 64 * (os.cpu_count() or 1)
    sizes = {"processes": many, "micro_batch_size": 1, "responses_per_prompt": many, "rwr": {"batch_size": many}}
    with pytest.raises(ConfigError, match=f"training.processes={many}: must be at most the .* {unit}"):
        check(workspace, training={"steps": 1, **sizes})


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"micro_batch_size": 8, "processes": 3}, "processes=3: must divide"),
        ({"rwr": {"batch_size": 64, "micro_batch_size": 48}}, "micro_batch_size=48 × processes=1: must divide"),
        ({"warm_start": "rloo"}, "must be another backend"),
        ({"backend": "soup", "warm_start": "rwr"}, "soup trains nothing itself"),
        ({"backend": "soup", "lora": None}, "soup interpolates adapters"),
        ({"warm_start": "soup", "lora": None}, "soup interpolates adapters"),
        ({"vllm": {"mode": "server"}}, "server_url is required"),
        ({"vllm": {"mode": "colocate", "server_url": "http://localhost"}}, "refused with mode: colocate"),
        ({"scale_rewards": "group"}, "scale_rewards='group': is not a known key"),
        ({"loss_type": "dapo"}, "loss_type='dapo': is not a known key"),
    ],
)
def test_settings_that_contradict_or_would_change_the_objective(workspace, training, words):
    with pytest.raises(ConfigError) as caught:
        check(workspace, training={"steps": 1, **training})
    assert words in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU may compute in it")
def test_a_number_format_that_this_machine_cannot_train_in(workspace):
    with pytest.raises(ConfigError, match="base_model.dtype=bfloat16: this machine, which has no GPU, cannot train in"):
        check(workspace, base_model__dtype="bfloat16")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU may compute in it")
def test_a_number_format_that_the_pods_can_train_in(workspace):
    """A laptop prepares a run in a cluster."""
    path = edit_config(workspace, base_model__dtype="bfloat16")
    assert CliRunner().invoke(app, ["validate", str(path)]).exit_code == 0
    edit_config(workspace, cluster={"training": {"gpus": 0}})
    refused = CliRunner().invoke(app, ["validate", str(path)])
    assert refused.exit_code == 1 and "cannot train in it" in refused.output
