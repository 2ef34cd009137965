"""Policies whose training failed for good: how many a portfolio may be selected without."""

from palm.config.training import Training
from palm.errors import BuildError
from palm.progress import weights_label

_ONE_IN = 10


def fewest_policies(settings: Training, planned: int) -> int:
    """The fewest policies that a portfolio is selected from.

    Args:
        settings: the section ``training``.
        planned: number of policies that the build was to train, ≥ 1.

    Returns:
        ``training.min_policies``, at most ``planned``; unset: all but one in ten.
    """
    return min(planned, settings.min_policies or planned - planned // _ONE_IN)


def check_enough(settings: Training, planned: int, missing: list[dict]) -> None:
    """Refuse to go on with too few policies.

    Args:
        settings: the section ``training``.
        planned: number of policies that the build was to train, ≥ 1.
        missing: ``weights`` and ``error`` of each policy whose training failed for good.

    Raises:
        BuildError: fewer are left than `fewest_policies`.
    """
    fewest = fewest_policies(settings, planned)
    if planned - len(missing) >= fewest:
        return
    first = missing[0]
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    raise BuildError(
        f"{planned - len(missing)} of {planned} policies",
        rule=f"are too few, training.min_policies is {fewest}: train_policy {weights_label(first['weights'])} failed: "
        f"{first['error']}{more}",
        remedy="fix what made the training fail and run again, or lower training.min_policies",
    )
