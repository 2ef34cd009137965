"""The component select_portfolio in a pipeline of its own."""

from typing import NamedTuple

from kfp import dsl
from mini_pipeline import content, given_all, run_locally

from components.select_portfolio.component import select_portfolio
from palm.storage.files import read_json

Selected = NamedTuple("Selected", selection=dsl.Artifact, metrics=dsl.Metrics)


def test_selects_what_the_library_selects(build, config, tmp_path):
    @dsl.pipeline
    def alone() -> Selected:
        task = select_portfolio(config=config, evaluations=given_all(dsl.Dataset, build.evaluations))
        return Selected(task.outputs["selection"], task.outputs["metrics"])

    made, expected = run_locally(alone, tmp_path), read_json(build.selection)
    assert content(made["selection"]) == expected
    assert len(expected["portfolio"]) == 1 and len(expected["policies"]) == 3
    assert 0 < expected["epsilon"] != expected["additive_gap"]
    assert made["metrics"].metadata == {
        **{name: expected[name] for name in ("epsilon", "epsilon_bound", "additive_gap")},
        "portfolio_size": 1,
        "policies": 3,
    }
