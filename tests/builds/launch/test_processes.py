"""One policy trained by two processes: accelerate on processors here, the same path as on GPUs."""

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.trainings import add_late_reward, train

from palm.builds.launch.processes import LoggedError, logged_error
from palm.errors import TrainingError

SIZES = {"steps": 3, "prompts_per_step": 4, "responses_per_prompt": 4, "micro_batch_size": 4, "processes": 2}
TOGETHER = {"training": {**SIZES, "warm_start": "rwr", "checkpoint_steps": 1, "rwr": {"batch_size": 512}}}


def test_two_processes_train_one_policy(trained):
    record, folder = trained("policy", [0.5, 0.5], **TOGETHER)
    assert record.steps == 3 and record.guard is None
    weights = load_file(folder / "adapter_model.safetensors")
    assert all(np.abs(weight).max() > 0 for weight in weights.values()), "a part of the adapter was not trained"
    assert not list((folder.parent / "store").glob("checkpoints/*"))


def test_an_error_of_one_process_is_reported(built):
    add_late_reward(built, fails_with=8)
    with pytest.raises(TrainingError, match="by 2 processes: failed with exit code 1 .*reward 'late' gave None"):
        train(built, "policy", (0.5, 0.5), **TOGETHER, training__warm_start="none")
    assert not (built / "policy").exists()


def test_only_a_permanent_error_ends_the_retries():
    """A process that was killed, or lost its GPU, logs no error of its own."""
    logged = logged_error("starting\npalm, permanently: reward 'late' gave None\nTraceback\nValueError: x\n")
    assert (logged.text, logged.permanent) == ("reward 'late' gave None", True)
    assert logged_error("palm: storage is down\n") == LoggedError("storage is down", permanent=False)
    killed = logged_error("step 3\nSignal 9 (SIGKILL) received by PID 12\n")
    assert killed == LoggedError("step 3 / Signal 9 (SIGKILL) received by PID 12", permanent=False)
