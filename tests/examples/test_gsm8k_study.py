"""The study on the real data, at a scale that says nothing but takes every step."""

from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import numpy as np
import pytest
from results import write
from rich.console import Console
from study import run_study, sections
from study_plan import Plan
from support.gsm8k import GSM8K, needs_gsm8k
from support.workspace import edit_config

from palm.cli.example_files import copy_example
from palm.config.load import load_config


@pytest.fixture
def config(tmp_path):
    folder = tmp_path / "study"
    copy_example("gsm8k", folder, GSM8K)
    for name, count in (("corpus.jsonl", 64), ("prompts_train.jsonl", 8), ("prompts_eval.jsonl", 12)):
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join(lines[:count]) + "\n")
    # Hardly trained policies earn nothing from arithmetic and format, so that a ratio would mean nothing.
    lifted = {"kind": "minmax", "low": -1.0, "high": 1.0}
    edit_config(
        folder,
        rewards__0__normalisation=lifted,
        rewards__1__normalisation=lifted,
        base_model__tiny={
            "corpus": "corpus.jsonl", "hidden_size": 16, "heads": 2, "vocabulary_size": 400, "steps": 30,
        },
        generation__max_new_tokens=24,
        training={"backend": "rwr", "steps": 1, "rwr": {"batch_size": 16}},
        reference={"samples_per_prompt": 4},
        evaluation={"samples_per_prompt": 2},
    )  # fmt: skip
    return load_config(folder / "portfolio.yaml")


@needs_gsm8k
def test_from_raw_files_to_tables(config, tmp_path):
    plan = Plan(
        np.array([[0.2, 0.6, 0.2], [0.1, 0.3, 0.6], [0.0, 0.5, 0.5]]),
        pools={"palm": (0, 1), "uniform": (1, 2), "random": (0, 2)},
        whole={("uniform", 1): ((2,),), ("random", 1): ((0,), (2,))},
    )
    runs = []
    with ThreadPoolExecutor(1) as executor:
        for _ in range(2):
            shown = StringIO()
            study = run_study(config, plan.weights, executor=executor, console=Console(file=shown, width=200))
            runs.append((study, shown.getvalue()))
        made = sections(config, plan, study, executor=executor, resamples=3)
    (first, first_output), (second, second_output) = runs
    assert first_output.count("from the store") == 0
    assert second_output.count("from the store") == 3
    assert np.array_equal(first.measured.rewards, second.measured.rewards)

    assert first.measured.rewards.shape == (3, 12, 3)
    for number, record in enumerate(first.records):
        assert record["weights"] == pytest.approx(plan.weights[number])
        assert first.measured.value_vectors[number] == pytest.approx(record["value_vector"])

    write("GSM8K study", "the test", made, tmp_path / "RESULTS.md")
    text = (tmp_path / "RESULTS.md").read_text()
    for title in ("Policies against the reference", "Portfolios", "Differences between portfolios"):
        assert f"## {title}\n" in text
    # The reference, six ways to prune, two whole designs.
    portfolios = next(section for section in made if section.title == "Portfolios")
    assert [row[:4] for row in portfolios.rows] == [
        ["reference", "0", "whole", "1"],
        *([design, "2", method, "1"] for design in ("palm", "uniform", "random") for method in ("exact", "greedy")),
        ["uniform", "1", "whole", "1"],
        ["random", "1", "whole", "1"],
    ]
