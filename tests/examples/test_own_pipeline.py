"""The example of PALM's components in a pipeline of one's own, run as its README says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml
from safetensors.numpy import load_file
from support.workspace import edit_config

from palm.artifacts.evaluation import Evaluation
from palm.artifacts.plan import Work
from palm.artifacts.policy import Policy
from palm.artifacts.selection import Selection
from palm.config.load import load_config
from palm.steps.evaluate_policies import evaluate_policies
from palm.steps.select_portfolio import select_portfolio

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_pipeline"


def test_policies_of_another_trainer_are_certified_as_the_library_does(workers, workspace):
    config = edit_config(workspace, evaluation={"samples_per_prompt": 4})
    command = [sys.executable, EXAMPLE / "run.py", config, workspace / "run"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    run, store = next((workspace / "run").iterdir()), workspace / "store"
    certified, work = Selection.read(run / "select-portfolio" / "selection"), Work.read(run / "design-grid" / "plan")
    names, measured = zip(*certified.evaluations.items(), strict=True)
    weights = [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    # The library with the same adapters and an empty store.
    direct = load_config(edit_config(workspace, storage__root="another-store"))
    policies = [copied(store / name, workspace / name, vector) for name, vector in zip(names, weights, strict=True)]
    evaluations = [workspace / f"evaluation{index}" for index in range(3)]
    reference = {"base_model": store / work.base_model, "rollouts": store / work.rollouts}
    evaluate_policies(direct, policies=policies, destinations=evaluations, **reference)
    for ours, theirs in zip(evaluations, measured, strict=True):
        assert Evaluation.read(ours) == Evaluation.read(store / theirs)
        pd.testing.assert_frame_equal(*(pd.read_parquet(place / "samples.parquet") for place in (ours, store / theirs)))
    selection = select_portfolio(direct, evaluations=evaluations, destination=workspace / "selection.json")
    assert selection == certified.model_copy(update={"evaluations": {}})
    assert f"worst-case gap is at most {selection.epsilon:.4f}" in result.stdout
    assert [list(candidate.weights) for candidate in selection.policies] == weights
    for folder in policies:
        assert folder.name.startswith("policy-") and folder.name in result.stdout
        adapter = load_file(folder / "adapter_model.safetensors")
        assert all(values.any() for name, values in adapter.items() if "lora_B" in name), "the adapter learned nothing"


def copied(entry: Path, folder: Path, weights: list[float]) -> Path:
    shutil.copytree(entry, folder)
    Policy(policy=folder.name, weights=weights, reward_names=("length", "vowels")).write(folder)
    return folder


def test_it_compiles_for_a_cluster_as_the_readme_says(tmp_path):
    command = re.search(r"`(kfp dsl compile [^`]*)`", (EXAMPLE / "README.md").read_text())[1].split()
    command[0] = Path(sys.executable).with_name("kfp")
    command[command.index("--output") + 1] = tmp_path / "own_trainer.yaml"
    path = os.pathsep.join(map(str, (EXAMPLE.parents[1], EXAMPLE)))
    subprocess.run(command, cwd=EXAMPLE.parents[1], env={**os.environ, "PYTHONPATH": path}, check=True)
    executors = yaml.safe_load((tmp_path / "own_trainer.yaml").read_text())["deploymentSpec"]["executors"]
    names = ("sample-reference", "design-grid", "best-of-n", "evaluate-policies", "select-portfolio")
    assert set(executors) == {f"exec-{name}" for name in names}
