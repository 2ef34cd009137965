"""PALM: a few aligned policies that serve every preference, with a certificate.

The public API. Importing palm imports none of its dependencies: each name imports what it needs when it is first used.
"""

import tomllib
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from palm.artifacts.summary import Summary
    from palm.config.portfolio import PortfolioConfig
    from palm.geometry.portfolio.named_selection import NamedSelection
    from palm.geometry.portfolio.values import ValueTable
    from palm.geometry.preferences.design import Design
    from palm.promotion import promotions
    from palm.promotion.load import load
    from palm.verification.fault import Verified

__all__ = ["ValueTable", "__version__", "build", "design", "load", "load_config", "promotions", "select", "verify"]

DISTRIBUTION = "palm-portfolio"

_LAZY = {
    "ValueTable": "palm.geometry.portfolio.values",
    "load": "palm.promotion.load",
    "promotions": "palm.promotion",
}


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        project = Path(__file__).parents[1] / "pyproject.toml"
        return tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"] if project.exists() else "0"


__version__ = _version()


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


def load_config(path: str | Path) -> "PortfolioConfig":
    """Read and check the configuration of a portfolio.

    Args:
        path: YAML file. Relative paths in it start from its folder.

    Raises:
        ConfigError: the file cannot be read or breaks a rule.
    """
    from palm.config.load import load_config

    return load_config(Path(path))


def design(
    objectives: int,
    *,
    epsilon: float,
    delta: float,
    strategy: str = "palm",
    size: int | None = None,
    seed: int = 0,
    weights: Sequence[Sequence[float]] | None = None,
    time_limit: float = 120.0,
    on_cover: Callable[[int], None] = lambda size: None,
) -> "Design":
    """Choose the preference weights to train policies for, and check whether their cells cover every preference.

    Args:
        objectives: number of rewards d, from 2 to 8.
        epsilon: multiplicative tolerance ε' of the cells, in [0, 1).
        delta: additive tolerance δ' of the cells, in [0, 1]; above 0 for ``palm`` and ``minimal``.
        strategy: ``palm``, ``minimal``, ``uniform``, ``random`` or ``weights``.
        size: number of vectors for ``uniform`` and ``random``, an upper limit for the others.
        seed: seed of ``random``.
        weights: the vectors for ``weights``, each of length d and summing to 1.
        time_limit: seconds that ``minimal`` may search.
        on_cover: called by ``minimal`` with the size of each smaller cover.

    Returns:
        The vectors, the exact coverage check, and a lower bound on the size of any cover.

    Raises:
        WeightsError: an argument is out of range, or no cover of the size was found.
    """
    from palm.geometry.preferences.design import design_grid
    from palm.progress import deadline

    return design_grid(
        objectives,
        epsilon=epsilon,
        delta=delta,
        strategy=strategy,
        size=size,
        seed=seed,
        weights=weights,
        seconds_left=deadline(time_limit),
        on_cover=on_cover,
    )


def select(
    table: "ValueTable",
    size: int,
    *,
    method: Literal["exact", "greedy"] = "exact",
    epsilon: float | None = None,
    delta: float = 0.0,
    time_limit: float = 60.0,
) -> "NamedSelection":
    """Select the portfolio with the smallest certified worst-case gap.

    Args:
        table: rewards and regulariser of every policy.
        size: largest number of policies K.
        method: ``exact`` (proven optimal within the time limit) or ``greedy`` (the paper's set cover).
        epsilon: ε granted, in [0, 1]: minimise δ instead of ε.
        delta: δ granted, at least 0.
        time_limit: seconds that ``exact`` may search.

    Raises:
        SelectionError: an argument is out of range, or no portfolio of this size has a gap of at most 1.
    """
    from palm.geometry.portfolio.named_selection import NamedSelection
    from palm.geometry.portfolio.selection import select
    from palm.progress import deadline

    found = select(
        table.value_vectors, size, method=method, epsilon=epsilon, delta=delta, seconds_left=deadline(time_limit)
    )
    return NamedSelection(table, found, size)


def verify(file: str | Path) -> "Verified":
    """Check a saved certificate with code that shares nothing with the code that made it.

    Args:
        file: JSON of `Design.to_dict` or `NamedSelection.to_dict`; ``design.json`` or ``selection.json`` of a build.

    Returns:
        The claims that are proved and those that are not checked.

    Raises:
        DataError: the file cannot be read as JSON.
        VerificationError: a claim does not hold; the message names the line.
    """
    from palm.verification.certificate_file import verify_file

    return verify_file(Path(file))


def build(
    config: "PortfolioConfig", *, output: str | Path = "builds", only_if_changed: bool = False
) -> "Summary | None":
    """Train, certify, register and promote a portfolio on this machine, as `palm run` does.

    Args:
        config: see `load_config`.
        output: folder of builds; the build makes a folder of its own in it.
        only_if_changed: do nothing if no input has changed since the last build that the gate judged.

    Returns:
        The summary of the build (``summary.json``); None if nothing had to be built.

    Raises:
        PalmError: an input is unusable, or a step failed.
    """
    from rich.console import Console

    from palm.local.run import run_build

    return run_build(config, Path(output).resolve(), Console(), only_if_changed=only_if_changed)[1]
