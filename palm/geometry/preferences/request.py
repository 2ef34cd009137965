"""Checks of a design's arguments, without the solvers that make one."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from numpy.typing import ArrayLike

from palm.errors import PermanentError, WeightsError
from palm.geometry.preferences.cells import check_accuracy, check_corners_reachable
from palm.geometry.preferences.simplex import check_objectives, check_size, check_weight_rows

PREDICTED = "predicted"
"""The strategy that needs rollouts of the reference besides numbers: see ``palm.geometry.adaptive.predicted``."""
STRATEGIES = ("random", "uniform", "palm", "minimal", PREDICTED, "weights")


def check_choice(name: str, value: str, choices: Sequence[str], error: type[PermanentError]) -> None:
    """Check that an argument is one of several names; the error suggests a similar one."""
    if value not in choices:
        near = get_close_matches(str(value), choices, n=1, cutoff=0.4)
        raise error(
            f"{name}={value!r}",
            rule=f"must be one of {', '.join(choices)}",
            remedy=f"did you mean {near[0]!r}?" if near else "choose one of them",
        )


def check_request(
    objectives: int,
    *,
    epsilon: float,
    delta: float,
    strategy: str,
    size: int | None = None,
    weights: Iterable[ArrayLike] | None = None,
) -> None:
    """Check the arguments of a design, see ``design.design_grid``; WeightsError if one is unusable."""
    d = check_objectives(objectives)
    check_accuracy(epsilon, delta)
    check_choice("strategy", strategy, STRATEGIES, WeightsError)
    if size is not None:
        check_size(size)
    if size is None and strategy in ("random", "uniform", PREDICTED):
        raise WeightsError(
            f"strategy={strategy!r}", rule="needs a size", remedy="say how many preference vectors are wanted"
        )
    if (weights is not None) != (strategy == "weights"):
        raise WeightsError(
            f"strategy={strategy!r}",
            rule="needs the weights" if weights is None else "takes no weights",
            remedy="give the preference vectors with strategy weights, and only with it",
        )
    if size is not None and strategy == "weights":
        raise WeightsError(f"size={size}", rule="strategy weights takes no size", remedy="leave it out")
    if weights is not None:
        check_weight_rows(weights, d)
    if strategy in ("palm", "minimal"):
        check_corners_reachable(delta, strategy)
