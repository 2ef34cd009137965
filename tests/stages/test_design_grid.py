"""The design step: the design is made once and then fetched."""

from pathlib import Path

import pytest
from conftest import edit_config

from palm.config_file import load_config
from palm.errors import WeightsError
from palm.stages.design_grid import check_design, design_grid
from palm.storage.files import read_json


def kept(config):
    return sorted(path.name for path in Path(config.storage.root).rglob("design-*"))


def test_a_searched_design_is_made_once(workspace):
    """Other weights would be other policies: the second run must fetch, however much time it has."""
    settings = {"strategy": "minimal", "epsilon": 0.3, "delta": 0.05}
    config = load_config(edit_config(workspace, design=settings))
    weights = design_grid(config, workspace / "design.json")
    saved = read_json(workspace / "design.json")
    assert saved["weights"] == weights
    assert saved["coverage"]["covered"]
    assert len(weights) == saved["lower_bound"]
    entries = kept(config)
    assert entries
    assert design_grid(config, workspace / "again.json") == weights
    assert kept(config) == entries
    other = load_config(edit_config(workspace, design={**settings, "epsilon": 0.4}))
    assert design_grid(other, workspace / "other.json") != weights
    assert len(kept(config)) > len(entries)


def test_given_weights_reach_the_design(workspace):
    rows = [[0.5, 0.5], [1.0, 0.0]]
    config = load_config(
        edit_config(workspace, design={"strategy": "weights", "weights": rows, "epsilon": 0.3, "delta": 0.05})
    )
    assert design_grid(config, workspace / "design.json") == rows


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "minimal", "delta": 0.0}, "strategy minimal needs a delta above 0"),
        ({"strategy": "weights"}, "needs the weights"),
        ({"strategy": "weights", "weights": [[0.5, 0.6]]}, "must sum to 1"),
    ],
)
def test_a_bad_design_is_refused_before_any_work(workspace, changes, message):
    config = load_config(edit_config(workspace, design={"epsilon": 0.3, "delta": 0.05, **changes}))
    with pytest.raises(WeightsError, match=message):
        check_design(config)
