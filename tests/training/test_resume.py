"""An interrupted training ends with the adapter of an uninterrupted one, whenever and however it is interrupted."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support.workspace import edit_config, make_workspace

from palm.artifacts.policy import Policy
from palm.config.load import load_config
from palm.errors import PreemptedError
from palm.steps.prepare_base_model import prepare_base_model
from palm.steps.sample_reference import sample_reference

KILLS = 20
STEPS = 10


class Server:
    """Starts trainings of the workspace in processes of their own."""

    def __init__(self, folder: Path, log: Path):
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.training_server"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
        )

    def start(self, store: str, policy: Path) -> int:
        """Start a training with a store of its own; returns its process id."""
        # Here and not in the training, which may be killed while it writes.
        edit_config(self.folder, storage__root=store)
        request = {"workspace": str(self.folder), "name": policy.name, "weights": [0.7, 0.3]}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def wait(self) -> int:
        return int(self._process.stdout.readline())

    def train(self, store: str, policy: Path) -> int:
        self.start(store, policy)
        return self.wait()

    def close(self) -> None:
        self._process.stdin.close()
        assert self._process.wait() == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = make_workspace(tmp_path_factory.mktemp("resume"))
    path = edit_config(
        folder,
        training={
            "backend": "rloo",
            "warm_start": "rwr",
            "steps": STEPS,
            "prompts_per_step": 3,
            "responses_per_prompt": 4,
            "micro_batch_size": 6,
            "learning_rate": 0.003,
            "checkpoint_steps": 2,
            "rwr": {"learning_rate": 0.003, "batch_size": 32},
        },
    )
    config = load_config(path)
    prepare_base_model(config, folder / "base")
    sample_reference(config, folder / "base", folder / "rollouts")
    server = Server(folder, folder / "server.log")
    yield server
    server.close()


@pytest.fixture(scope="module")
def undisturbed(server):
    """The adapter of an uninterrupted training, and its duration in seconds."""
    server.start("undisturbed", server.folder / "undisturbed-policy")
    start = time.monotonic()
    assert server.wait() == 0
    seconds = time.monotonic() - start
    return (server.folder / "undisturbed-policy" / "adapter_model.safetensors").read_bytes(), seconds


@pytest.mark.parametrize("half", [0, 1])
def test_killed_at_a_random_moment_it_ends_with_the_same_adapter(server, undisturbed, half):
    expected, seconds = undisturbed
    rng = np.random.default_rng(half)
    resumed = []
    for attempt in itertools.count():
        store, policy = f"killed-{half}-{attempt}", server.folder / f"policy-{half}-{attempt}"
        process = server.start(store, policy)
        moment = rng.uniform(0, seconds)
        if len(resumed) < KILLS // 2 - 1:
            time.sleep(moment)
        else:
            # Independent of the machine's load: the last one is killed after its first checkpoint.
            _wait_for_checkpoints(server.folder / store)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        if server.wait() == 0:
            continue  # it was faster than the undisturbed one and had ended
        assert not policy.exists(), "a killed training left a policy"
        assert server.train(store, policy) == 0
        assert (policy / "adapter_model.safetensors").read_bytes() == expected, f"killed after {moment:.2f} s"
        assert not list((server.folder / store).glob("checkpoints/*")), "a finished training keeps no checkpoints"
        resumed.append(Policy.read(policy).resumed_from_step)
        if len(resumed) == KILLS // 2:
            break
    assert resumed[-1] > 0, "the training did not resume from its checkpoint"


def _wait_for_checkpoints(store: Path, count: int = 1) -> None:
    deadline = time.monotonic() + 120
    while len(list(store.glob("checkpoints/*/rloo/step-*/manifest.json"))) < count:
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.01)


def test_sigterm_leaves_a_checkpoint_and_its_own_exit_code(server, undisturbed):
    store, policy = "preempted", server.folder / "preempted-policy"
    process = server.start(store, policy)
    _wait_for_checkpoints(server.folder / store)
    os.kill(process, signal.SIGTERM)
    assert server.wait() == PreemptedError.exit_code == 75
    assert "was told to stop by SIGTERM at step" in (server.folder / "server.log").read_text()
    assert not policy.exists()
    assert server.train(store, policy) == 0
    assert (policy / "adapter_model.safetensors").read_bytes() == undisturbed[0]
    assert Policy.read(policy).resumed_from_step > 2


@pytest.fixture(scope="module")
def half_done(server, undisturbed):
    """A store with two checkpoints of a training that was stopped."""
    process = server.start("half-done", server.folder / "half-done-policy")
    _wait_for_checkpoints(server.folder / "half-done", 2)
    os.kill(process, signal.SIGTERM)
    assert server.wait() == 75
    return server.folder / "half-done"


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing", "manifest", "unlisted"])
def test_a_damaged_checkpoint_is_logged_and_the_one_before_it_used(server, undisturbed, half_done, damage):
    store = server.folder / f"damaged-{damage}"
    shutil.copytree(half_done, store)
    before, newest = sorted(store.glob("checkpoints/*/rloo/step-*"))
    victim = newest / ("manifest.json" if damage in ("manifest", "unlisted") else "optimizer.pt")
    content = victim.read_bytes()
    if damage in ("missing", "unlisted"):
        victim.unlink()
    elif damage == "flipped":
        victim.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    else:
        victim.write_bytes(content[: len(content) // 2])
    assert server.train(store.name, server.folder / f"{damage}-policy") == 0
    policy = server.folder / f"{damage}-policy"
    assert Policy.read(policy).resumed_from_step == int(before.name.removeprefix("step-"))
    assert (policy / "adapter_model.safetensors").read_bytes() == undisturbed[0]
    assert "a damaged checkpoint, the one before it is used" in (server.folder / "server.log").read_text()
