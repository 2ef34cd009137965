"""What may be asked of a design. A check that must be quick needs no solver, so none is imported here."""

from difflib import get_close_matches

from palm.errors import WeightsError
from palm.geometry.preferences.cells import check_accuracy, check_corners_reachable
from palm.geometry.preferences.simplex import check_objectives, check_size, check_weight_rows

PREDICTED = "predicted"
"""The strategy that needs rollouts of the reference besides numbers: see ``palm.geometry.adaptive.predicted``."""

STRATEGIES = ("random", "uniform", "palm", "minimal", PREDICTED, "weights")


def check_request(objectives, *, epsilon, delta, strategy, size=None, weights=None):
    """Check the arguments of a design without making it.

    Args:
        objectives: d, 2 to 8.
        epsilon: multiplicative tolerance ε' of the cells, in [0, 1).
        delta: additive tolerance δ' of the cells, in [0, 1].
        strategy: one of ``STRATEGIES``.
        size: see ``palm.geometry.preferences.design``.
        weights: see ``palm.geometry.preferences.design``.

    Raises:
        WeightsError: one is unknown, missing or out of range.
    """
    d = check_objectives(objectives)
    check_accuracy(epsilon, delta)
    if strategy not in STRATEGIES:
        near = get_close_matches(str(strategy), STRATEGIES, n=1, cutoff=0.4)
        raise WeightsError(
            f"strategy={strategy!r}",
            rule=f"must be one of {', '.join(STRATEGIES)}",
            remedy=f"did you mean {near[0]!r}?" if near else "choose one of them",
        )
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
