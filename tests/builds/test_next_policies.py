"""Policies to train next after a build."""

import numpy as np
import pytest
from support.summaries import make_summary
from testbed import draw_problem
from typer.testing import CliRunner

from palm.artifacts.evaluation import Mean
from palm.builds.next_policies import next_policies
from palm.cli.main import app


def summary_of(path, problem, weights):
    values, optima = problem.value_vectors(weights), problem.optimum(weights)
    template = make_summary(dimension=2, count=3, size=1)
    policies = []
    for vector, value, optimum in zip(np.asarray(weights).tolist(), values.tolist(), optima.tolist(), strict=True):
        measured = {"value_vector": tuple(value), "objective_optimum": Mean(mean=optimum, standard_error=0.0)}
        policies.append(template.policies[0].model_copy(update={"weights": tuple(vector), **measured}))
    template.model_copy(update={"policies": tuple(policies)}).write(path)
    return path


def test_rounds_end_at_the_target(tmp_path):
    problem = draw_problem(0, 2)
    weights = np.eye(2)
    for _ in range(10):
        found = next_policies(summary_of(tmp_path / "summary.json", problem, weights), target=0.05, batch=2)
        assert found.weights == (*map(tuple, weights), *found.next)
        if not found.next:
            break
        weights = np.array(found.weights)
    assert found.epsilon <= 0.05
    assert 2 < len(weights) <= 6
    v = np.random.default_rng(0).dirichlet(np.ones(2), 2000)
    best = (v @ problem.value_vectors(weights).T).max(axis=1)
    assert (best >= (1 - found.epsilon) * problem.optimum(v)).all()


def test_the_command_names_what_to_train(tmp_path):
    path = summary_of(tmp_path / "summary.json", draw_problem(1, 3), np.eye(3))
    result = CliRunner().invoke(app, ["next", str(path), "--batch", "3"])
    assert result.exit_code == 0
    assert "within" in result.stdout and result.stdout.count("train ") == 3
    met = CliRunner().invoke(app, ["next", str(path), "--target", "0.9"])
    assert "the target of 0.9 is met" in met.stdout


@pytest.mark.parametrize(
    ("content", "options", "named"),
    [
        ("[]", [], "schema_version null: must be 1, the version of summary"),
        ('{"schema_version": 1}', [], "breaks the schema of summary"),
        ("{", [], "cannot be read as JSON"),
        (None, ["--target", "1.5"], "target=1.5: must be in (0, 1)"),
        (None, ["--batch", "0"], "size=0"),
    ],
)
def test_bad_input_is_refused_in_one_line(tmp_path, content, options, named):
    path = summary_of(tmp_path / "summary.json", draw_problem(1, 2), np.eye(2))
    if content is not None:
        path.write_text(content)
    result = CliRunner().invoke(app, ["next", str(path), *options])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert named in result.stderr
