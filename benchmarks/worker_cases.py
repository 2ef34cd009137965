"""Quickstart policies trained in the workers of one pool, against a process with its own imports for each."""

import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from results import Section

from palm.cli.example_files import copy_example
from palm.config.load import load_config, parse_config
from palm.geometry.preferences.grids import uniform_grid
from palm.steps.workers.client import WORKERS_VARIABLE
from palm.steps.workers.pool import worker_pool
from palm.storage.digest import file_digest

POLICIES = 10
BASE_STEPS, TRAINING_STEPS, REFERENCE_SAMPLES = 100, 5, 4
"""Few: what is compared is all but the training."""

TASK = """
import json, sys
from palm.config.load import parse_config
from palm.steps.run import run_step
(name, config, *values), paths = json.loads(sys.argv[1])
run_step(name, parse_config(config), *values, **paths)
"""
"""The work of a component, as a program."""

WAYS = ("a process with its own imports each", "workers of one pool")


def workers() -> Section:
    """Both ways as a table."""
    rows = worker_rows()
    return Section(
        title=f"Workers: {POLICIES} quickstart policies, each in a process of its own",
        note=f"{TRAINING_STEPS} steps each, one after the other, start of the pool and imports included. Forked "
        "from a process that has imported PyTorch and TRL, or started from scratch; `identical`: adapters that are to "
        "the bit those of the first way.",
        columns=("way", "s", "s a policy", "ratio", "identical"),
        rows=[
            [row["way"], f"{row['seconds']:.1f}", f"{row['per_policy']:.2f}", f"{row['ratio']:.2f}",
             f"{row['identical']} of {row['policies']}"]
            for row in rows
        ],
    )  # fmt: skip


def worker_rows(policies=POLICIES, steps=TRAINING_STEPS):
    """Train policies of the quickstart both ways, one after the other, one row for each way.

    Args:
        policies: how many; the weights are those of the uniform design of that size.
        steps: optimiser steps of each policy.

    Returns:
        List of dicts: way, policies, seconds (wall time of all, the pool's start and imports included), per_policy,
        ratio (seconds to those of the first way), identical (how many adapters are to the bit those of the first way).
    """
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        config = _quickstart(folder / "quickstart", steps)
        inputs = _inputs(config, folder)
        weights = uniform_grid(3, policies).tolist()
        seconds, digests = zip(*(_train(way, config, weights, inputs, folder) for way in WAYS), strict=True)
    return [
        {
            "way": way,
            "policies": policies,
            "seconds": taken,
            "per_policy": taken / policies,
            "ratio": taken / seconds[0],
            "identical": sum(one == other for one, other in zip(found, digests[0], strict=True)),
        }
        for way, taken, found in zip(WAYS, seconds, digests, strict=True)
    ]


def _quickstart(folder, steps):
    copy_example("quickstart", folder, None)
    raw = json.loads(load_config(folder / "portfolio.yaml").to_json())
    raw["base_model"]["tiny"]["steps"] = BASE_STEPS
    raw["training"]["steps"] = steps
    raw["reference"]["samples_per_prompt"] = REFERENCE_SAMPLES
    return parse_config(json.dumps(raw))


def _inputs(config, folder):
    """Base model and rollouts, the same for both ways."""
    base, rollouts = str(folder / "base"), str(folder / "rollouts")
    _run(["prepare_base_model", config.to_json()], {"destination": base})
    _run(["sample_reference", config.to_json()], {"base_model": base, "destination": rollouts})
    return {"base_model": base, "rollouts": rollouts}


def _train(way, config, weights, inputs, folder):
    """Seconds and the adapters' digests; each way has a store of its own, so nothing is reused."""
    place = folder / way.replace(" ", "-")
    text = config.model_copy(
        update={"storage": config.storage.model_copy(update={"root": str(place / "store")})}
    ).to_json()
    start = time.perf_counter()
    with worker_pool(folder / "pool.log") if way == WAYS[1] else nullcontext("") as address:
        for index, vector in enumerate(weights):
            _run(["train_policy", text, vector], {**inputs, "destination": str(place / str(index))}, address)
    seconds = time.perf_counter() - start
    return seconds, [file_digest(place / str(index) / "adapter_model.safetensors") for index in range(len(weights))]


def _run(values, paths, address=""):
    subprocess.run(
        [sys.executable, "-c", TASK, json.dumps([values, paths])],
        env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", WORKERS_VARIABLE: address},
        check=True,
        capture_output=True,
    )
