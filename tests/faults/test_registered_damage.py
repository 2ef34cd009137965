"""A flipped bit in a registered version: it is neither served, nor promoted, nor built on."""

from pathlib import Path

import pytest
from support.damage import flip
from support.small_portfolio import promote, registered

from palm.errors import ModelError
from palm.promotion import promotions
from palm.promotion.past_builds import download_policies
from palm.serving.portfolio import ServedPortfolio

DAMAGE = r"adapter_model\.safetensors: sha256 is [0-9a-f]{64}, recorded is [0-9a-f]{64}"


@pytest.fixture
def adapter(config, workspace) -> Path:
    """An adapter of version 1, which was champion before version 2, where MLflow keeps it."""
    for number, against in enumerate((None, "1"), 1):
        registered(config, workspace, f"weights {number}")
        promote(config, str(number), against=against)
    files = (workspace / "mlartifacts").rglob("adapter_model.safetensors")
    return next(path for path in files if path.read_text() == "weights 1 of policy-b")


def test_nothing_is_done_with_it(config, workspace, adapter, faults):
    size = adapter.stat().st_size
    for number, position in enumerate((0, size // 2, size - 1)):
        flip(adapter, position, bit=number)
        copy = workspace / f"copy-{number}"
        for use in (
            lambda: ServedPortfolio(adapter.parents[2]),
            lambda: promotions(config).rollback(why="worse", who="test"),
            lambda: promotions(config).promote_by_hand("1", why="test", who="test"),
            lambda copy=copy: download_policies(promotions(config), "1", copy),
        ):
            with pytest.raises(ModelError, match=DAMAGE):
                use()
        assert promotions(config).champion() == "2"
        flip(adapter, position, bit=number)
        faults("flipped bit in a registered version")
    assert promotions(config).rollback(why="worse", who="test").after == "1" == promotions(config).champion()
