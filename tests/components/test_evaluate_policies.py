"""The component evaluate_policies in a pipeline of its own."""

from typing import NamedTuple

import pandas as pd
from kfp import dsl
from support.mini_pipeline import given, run_locally

from palm.artifacts.evaluation import Evaluation
from palm.builds.reuse import fetched
from palm.components.evaluate_policies.component import evaluate_policies
from palm.config.load import parse_config

Evaluated = NamedTuple("Evaluated", policies=list, metrics=dsl.Metrics)


def evaluated(build, config: str, policies: list[dict], folder) -> tuple[list[dict], dict]:
    @dsl.pipeline
    def alone(policies: list) -> Evaluated:
        task = evaluate_policies(config=config, plan=given(dsl.Dataset, build.plan), policies=policies)
        return Evaluated(task.outputs["Output"], task.outputs["metrics"])

    made = run_locally(alone, folder, policies=policies)
    return made["policies"], made["metrics"].metadata


def shown(evaluation: Evaluation, suffix: str = "") -> dict[str, float]:
    values = {
        "J": evaluation.objective,
        "J_ref": evaluation.objective_reference,
        "J_gain": evaluation.gain,
        "KL": evaluation.kl,
        "reward_length": evaluation.rewards["length"],
        "reward_vowels": evaluation.rewards["vowels"],
    }
    return {f"{name}{suffix}": value.mean for name, value in values.items()}


def test_measures_the_policies_of_a_group_as_the_library_does(build, config, keep, tmp_path):
    failed = {"weights": [0.25, 0.75], "error": "loss: is not a number"}
    first, _, last = build.trained
    keep(*build.reference.values(), first["policy"], last["policy"])
    # A design may hold one weight vector twice.
    made, metrics = evaluated(build, config, [first, {"policy": "", **failed}, last, first], tmp_path / "run")
    first, _, last = build.measured
    assert made == [first, failed, last, first]
    expected = [Evaluation.read(build.evaluations[index]) for index in (0, 2)]
    names = [entry["evaluation"] for entry in (first, last)]
    with fetched(parse_config(config).storage.root, *names) as folders:
        for folder, evaluation, index in zip(folders, expected, (0, 2), strict=True):
            assert Evaluation.read(folder) == evaluation
            pd.testing.assert_frame_equal(
                *(pd.read_parquet(place / "samples.parquet") for place in (folder, build.evaluations[index]))
            )
    assert metrics == shown(expected[0], " 0.000 1.000") | shown(expected[1], " 1.000 0.000")


def test_one_policy_needs_no_name_in_the_metrics_and_none_is_measured_of_a_failed_one(build, tmp_path):
    config, policy = build.config.to_json(), build.trained[1]
    made, metrics = evaluated(build, config, [policy], tmp_path / "one")
    assert made == [build.measured[1]]
    assert metrics == shown(Evaluation.read(build.evaluations[1]))
    failed = {"weights": [0.5, 0.5], "error": "loss: is not a number"}
    assert evaluated(build, config, [{"policy": "", **failed}], tmp_path / "none") == ([failed], {})
