"""The gsm8k example from its raw files to a promoted portfolio, on a cut-down number of steps."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.workspace import edit_config
from typer.testing import CliRunner

from palm.cli.main import app

GSM8K = Path(os.environ.get("PALM_GSM8K", Path(__file__).resolve().parents[3] / "shared" / "data" / "gsm8k"))


@pytest.mark.skipif(
    not (GSM8K / "train.jsonl").is_file(), reason="no GSM8K: set PALM_GSM8K to the folder of train.jsonl, test.jsonl"
)
def test_from_raw_files_to_a_promoted_portfolio(tmp_path):
    folder = tmp_path / "gsm8k"
    made = CliRunner().invoke(app, ["init", str(folder), "--example", "gsm8k", "--data", str(GSM8K)])
    assert made.exit_code == 0, made.output
    for name, count in (("prompts_train.jsonl", 32), ("prompts_eval.jsonl", 16)):
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join(lines[:count]) + "\n")
    config = edit_config(
        folder,
        base_model__tiny__steps=60,
        design={"strategy": "uniform", "epsilon": 0.4, "delta": 0.1, "size": 3},
        generation__max_new_tokens=32,
        training__steps=2,
        training__prompts_per_step=4,
        training__responses_per_prompt=4,
        training__micro_batch_size=16,
        reference={"samples_per_prompt": 8},
        evaluation={"samples_per_prompt": 4},
        # Hardly trained policies may be worth less than nothing somewhere, where no ratio means anything.
        selection={"size": 2, "delta": 0.1},
        promotion__max_epsilon=1.0,
    )
    result = subprocess.run([Path(sys.executable).with_name("palm"), "run", config], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    summary = json.loads((next((folder / "builds").iterdir()) / "summary.json").read_text())
    assert summary["reward_names"] == ["arithmetic", "format", "brevity"]
    assert len(summary["policies"]) == 3 and summary["promotion"]["promoted"]
    for record in summary["policies"]:
        assert 0 <= record["metrics"]["correct"]["mean"] <= 1
        assert all(0 <= entry["mean"] <= 1 for entry in record["rewards"].values())
    assert "palm-gsm8k version 1" in result.stdout and "correct" in result.stdout
