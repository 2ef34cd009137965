"""Portfolios of untrained policies, ready to be served."""

from pathlib import Path

import numpy as np
from support.small_portfolio import register_small
from support.untrained import write_untrained

from palm.artifacts.routing import Routing
from palm.config.base_model import BaseModelSource
from palm.config.portfolio import PortfolioConfig
from palm.serving.portfolio import write_portfolio
from palm.serving.router import Router
from palm.storage.digest import folder_digests

POLICIES = ("policy-a", "policy-b")
BASE = "s3://palm/models/base"
_VALUES = np.array([[0.9, 0.1], [0.1, 0.9]])


def upload_base(s3, base_model: Path) -> None:
    for path in base_model.iterdir():
        s3.upload_file(str(path), "palm", f"models/base/{path.name}")


def write_adapters(folder: Path, base_model: Path, seed: int) -> dict[str, Path]:
    """Write two adapters whose answers differ from each other and from the base model's."""
    folders = {name: folder / name for name in POLICIES}
    for number, place in enumerate(folders.values(), seed):
        write_untrained(place, base_model, seed=number, std=0.5)
    return folders


def write_served(
    folder: Path,
    policies: dict[str, Path],
    base_model: Path,
    *,
    source: str = BASE,
    spec: BaseModelSource | None = None,
) -> Routing:
    """A portfolio folder whose first policy is best for length, and the second, if there is one, for vowels."""
    folder.mkdir()
    return write_portfolio(
        folder,
        router=Router(("length", "vowels"), tuple(policies), _VALUES[: len(policies)]),
        policies=policies,
        base_model=base_model,
        base_source=spec or BaseModelSource(source=source),
        base_files=folder_digests(base_model),
        max_new_tokens=8,
    )


def publish(config: PortfolioConfig, folder: Path, base_model: Path, *, seed: int = 0, source: str = BASE) -> Path:
    """Register a portfolio of two adapters, and return its folder."""
    portfolio = folder / f"portfolio-{seed}"
    write_served(portfolio, write_adapters(folder / f"adapters-{seed}", base_model, seed), base_model, source=source)
    register_small(config, portfolio, f"build-{seed}")
    return portfolio
