"""One policy trained by two processes: accelerate on processors here, the same path as on GPUs."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.workspace import edit_config

from palm.builds.launch.processes import LastWords, last_words
from palm.config.load import load_config
from palm.errors import TrainingError
from palm.steps.sample_reference import sample_reference

TOGETHER = {
    "training": {
        "steps": 3,
        "prompts_per_step": 4,
        "responses_per_prompt": 4,
        "micro_batch_size": 4,
        "processes": 2,
        "warm_start": "rwr",
        "checkpoint_steps": 1,
        "rwr": {"batch_size": 512},
    }
}


def test_two_processes_train_one_policy(trained):
    record, folder = trained("policy", [0.5, 0.5], **TOGETHER)
    assert record.steps == 3 and record.guard is None
    weights = load_file(folder / "adapter_model.safetensors")
    assert all(np.abs(weight).max() > 0 for weight in weights.values()), "a part of the adapter was not trained"
    assert not list((folder.parent / "store").glob("checkpoints/*"))


def test_an_error_in_one_of_them_is_told(trained, built):
    rewards = built / "rewards.py"
    rewards.write_text(
        rewards.read_text() + "\ndef late(prompts, responses, **fields):\n"
        "    return [None if len(responses) == 8 else 0.5 for _ in responses]\n"
    )
    late = [{"name": name, "uri": f"python:rewards.py:{name}"} for name in ("length", "late")]
    config = load_config(edit_config(built, rewards=late))
    shutil.rmtree(built / "rollouts")
    sample_reference(config, built / "base", built / "rollouts")
    with pytest.raises(TrainingError, match="by 2 processes: failed with exit code 1 .*reward 'late' gave None"):
        trained("policy", (0.5, 0.5), **{"training": {**TOGETHER["training"], "warm_start": "none"}})
    assert not (built / "policy").exists()


def test_only_an_error_that_was_told_ends_the_retries():
    """A process that was killed, or lost its GPU, has told nothing."""
    told = last_words("starting\npalm, for good: reward 'late' gave None\nTraceback\nValueError: x\n")
    assert (told.text, told.permanent) == ("reward 'late' gave None", True)
    assert last_words("palm: storage is down\n") == LastWords("storage is down", permanent=False)
    killed = last_words("step 3\nSignal 9 (SIGKILL) received by PID 12\n")
    assert killed == LastWords("step 3 / Signal 9 (SIGKILL) received by PID 12", permanent=False)
