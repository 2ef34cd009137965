import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.cluster_commands import palm
from support.workspace import edit_config

DESIGN = ["design", "--objectives", "3", "--epsilon", "0.4", "--delta", "0.0125"]


def test_design_palm_is_the_papers_48_vectors_covered_exactly():
    result = json.loads(palm(*DESIGN, "--strategy", "palm", "--json").stdout)
    assert list(result) == [
        "certificate", "strategy", "objectives", "epsilon", "delta", "size", "weights", "coverage", "lower_bound",
        "packing", "packing_weights",
    ]  # fmt: skip
    assert result["size"] == len(result["weights"]) == 48
    assert result["coverage"] == {"method": "exact", "covered": True, "uncovered_fraction": 0.0, "counterexample": None}
    assert 34 <= result["lower_bound"] <= 36
    weights = np.array(result["weights"])
    assert np.allclose(weights.sum(axis=1), 1, atol=1e-12) and (weights >= 0).all()


def test_design_minimal_at_figure_1_is_proven_to_be_the_smallest():
    result = json.loads(palm(*DESIGN, "--strategy", "minimal", "--time-limit", "600", "--json").stdout)
    assert result["coverage"]["covered"]
    assert result["size"] == result["lower_bound"] == 36


def test_design_takes_weights_from_a_saved_design(tmp_path):
    saved = tmp_path / "design.json"
    saved.write_text(palm(*DESIGN, "--strategy", "palm", "--json").stdout)
    again = json.loads(palm(*DESIGN, "--strategy", "weights", "--weights", saved, "--json").stdout)
    assert again["weights"] == json.loads(saved.read_text())["weights"]
    assert again["coverage"]["covered"]
    saved.write_text("[[0.2, 0.3, 0.5]]")
    alone = json.loads(palm(*DESIGN, "--strategy", "weights", "--weights", saved, "--json").stdout)
    assert alone["size"] == 1 and not alone["coverage"]["covered"]
    for content, named in [
        ("{}", "under `weights`"),
        ("[[0.2, 0.3]]", "must have 3 numbers"),
        ('[["0.5", "0.5", "0"]]', "under `weights`"),
        ("[[true, false, false]]", "under `weights`"),
        ("[", "cannot be read"),
    ]:
        saved.write_text(content)
        refused = palm(*DESIGN, "--strategy", "weights", "--weights", saved, code=1)
        assert named in refused.stderr and refused.stderr.count("\n") == 1


VALUES = """policy,safety,brevity,regulariser
safe,0.9,0.2,0.05
brief,0.2,0.9,0.05
even,0.6,0.6,0.02
poor,0.3,0.3,0.20
"""


def test_select_prints_the_fixed_form(tmp_path):
    path = tmp_path / "values.csv"
    path.write_text(VALUES)
    exact = json.loads(palm("select", path, "--size", 2, "--method", "exact", "--json").stdout)
    assert list(exact) == [
        "certificate", "size", "method", "minimised", "portfolio", "epsilon", "epsilon_bound", "delta", "delta_bound",
        "worst_weights", "usage", "usage_entropy", "effective_policies", "unused", "additive_gap",
        "additive_worst_weights", "proof",
    ]  # fmt: skip
    assert exact["method"] == "exact" and exact["delta"] == 0 and len(exact["portfolio"]) == 2
    assert exact["epsilon_bound"] <= exact["epsilon"] <= exact["epsilon_bound"] + 1e-4
    assert set(exact["usage"]) == set(exact["portfolio"]) and sum(exact["usage"].values()) == pytest.approx(1)
    greedy = json.loads(palm("select", path, "--size", 2, "--method", "greedy", "--json").stdout)
    assert exact["epsilon"] <= greedy["epsilon"]
    slack = json.loads(palm("select", path, "--size", 2, "--delta", 0.05, "--json").stdout)
    assert slack["delta"] == 0.05 and slack["epsilon"] < exact["epsilon"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["header"]),
        ("policy,a,regulariser\nx,1,0\n", ["header", "at least two rewards"]),
        ("name,a,b,regulariser\nx,1,0,0\n", ["header"]),
        ("policy,a,b,regulariser\n", ["holds no policies"]),
        ("policy,a,,regulariser\nx,1,0,0\n", ["header"]),
        ("policy,a,b,regulariser\n\n\nx,1,0,zero\n", ["line 4", "zero"]),
        ("policy,a,b,regulariser\n,1,0,0\n", ["line 2", "must not be empty"]),
        ("policy,a,b,regulariser\nx,0.5,high,0\n", ["line 2", "b='high'", "must be a number"]),
        ("policy,a,b,regulariser\nx,0.5,0.5\n", ["line 2", "has 3 cells"]),
        ("policy,a,b,regulariser\nx,0.5,nan,0\n", ["x", "nan"]),
        ("policy,a,b,regulariser\nx,0.5,1.2,0\n", ["x", "1.2"]),
        ("policy,a,b,regulariser\nx,0.5,0.2,-1\n", ["x", "-1"]),
        ("policy,a,b,regulariser\nx,0.5,0.2,0\nx,0.5,0.3,0\n", ["x"]),
    ],
)
def test_bad_values(tmp_path, text, words):
    path = tmp_path / "values.csv"
    path.write_text(text)
    assert_one_line(palm("select", path, "--size", 1, code=1), words)


def assert_one_line(result, words):
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*DESIGN, "--strategy", "pallm"], ["pallm", "palm"]),
        ([*DESIGN, "--epsilon", 1.0], ["epsilon=1.0"]),
        ([*DESIGN, "--delta", -0.1], ["delta=-0.1"]),
        ([*DESIGN, "--objectives", 1], ["objectives=1"]),
        ([*DESIGN, "--strategy", "random"], ["size"]),
        ([*DESIGN, "--strategy", "random", "--size", 10**12], ["size=1000000000000", "10000"]),
        ([*DESIGN, "--strategy", "random", "--size", 4, "--seed", -1], ["seed=-1"]),
        ([*DESIGN, "--size", 10], ["48"]),
        (["select", "/no/such.csv", "--size", 1], ["/no/such.csv", "cannot be read"]),
        (["validate", "/no/such.yaml"], ["/no/such.yaml", "cannot be read"]),
        (["run", "/no/such.yaml"], ["/no/such.yaml", "cannot be read"]),
        (["compile", "--output", "/proc/none/x.yaml"], ["/proc/none/x.yaml", "cannot be written"]),
        (["init", "/proc/none/x"], ["/proc/none/x", "cannot be written"]),
        (["init", "/tmp/never-made", "--data", "/tmp"], ["--data"]),
    ],
)
def test_bad_arguments(arguments, words):
    assert_one_line(palm(*arguments, code=1), words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompts__eval": "train.jsonl"}, ["prompts.eval", "shares 8 prompts"]),
        ({"prompts__train": "none.jsonl"}, ["none.jsonl", "cannot be read"]),
        ({"rewards__0__uri": "python:rewards.py:none"}, ["'length'", "no function 'none'"]),
        ({"rewards__0__uri": "python:builtins:len"}, ["'length'", "has no source file"]),
        ({"base_model": {"source": "./empty"}}, ["empty"]),
        ({"base_model__tiny__corpus": "eval.jsonl"}, ["eval.jsonl", "response=None"]),
        ({"design__strategy": "plam"}, ["plam", "palm"]),
        ({"design__size": None}, ["size"]),
        ({"storage__root": "gs://bucket"}, ["gs://bucket", "s3://"]),
        ({"storage__root": "train.jsonl"}, ["train.jsonl", "cannot be"]),
        ({"training__prompts_per_step": 9, "training__micro_batch_size": 18}, ["training.prompts_per_step=9", "8"]),
    ],
)
def test_validate_finds_what_is_wrong(workspace, changes, words):
    (workspace / "empty").mkdir()
    assert_one_line(palm("validate", edit_config(workspace, **changes), code=1), words)


def test_run_with_an_unreachable_mlflow_starts_nothing(workspace, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    path = edit_config(workspace, registry__tracking_uri="http://127.0.0.1:9")
    result = palm("run", path, code=1)
    assert_one_line(result, ["registry.tracking_uri=http://127.0.0.1:9", "MLflow failed"])
    assert not (workspace / "builds").exists() and not (workspace / "store").exists()


def test_the_command_itself_exits_non_zero_and_debug_shows_the_traceback():
    command = [str(Path(sys.executable).with_name("palm"))]
    quiet = subprocess.run([*command, "validate", "/no/such.yaml"], capture_output=True, text=True)
    assert quiet.returncode == 1 and "Traceback" not in quiet.stderr and quiet.stderr.count("\n") == 1
    loud = subprocess.run([*command, "--debug", "validate", "/no/such.yaml"], capture_output=True, text=True)
    assert loud.returncode == 1 and "Traceback" in loud.stderr


def test_init_makes_a_folder_that_validates_and_refuses_a_full_one(tmp_path):
    palm("init", tmp_path / "q", "--example", "quickstart")
    assert "ok: quickstart" in palm("validate", tmp_path / "q" / "portfolio.yaml").stdout
    assert_one_line(palm("init", tmp_path / "q", "--example", "quickstart", code=1), ["already holds files"])
    assert_one_line(palm("init", tmp_path / "g", "--example", "gsm8k", "--data", tmp_path / "none", code=1), ["none"])
    assert not (tmp_path / "g").exists()


def test_schema_is_json():
    assert "beta" in json.loads(palm("schema").stdout)["properties"]
