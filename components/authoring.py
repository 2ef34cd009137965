"""Authoring of components: a signature, one call of a function in the image, and that function's docstring.

Kubeflow copies a component's source into the status of a run a dozen times, so it is a few lines; the work is in the
module ``task`` beside it. `write_metadata` and `write_metrics` accept only values that the real backend accepts.
"""

import math
from collections.abc import Callable

from kfp import dsl

from palm.errors import DataError


def documented_by(task: Callable) -> Callable[[Callable], Callable]:
    """A decorator that gives a component the docstring of the function that does its work."""

    def document(component: Callable) -> Callable:
        component.__doc__ = task.__doc__
        return component

    return document


def write_metadata(artifact: dsl.Artifact, **values) -> None:
    """Attach values to an output artifact, for the Kubeflow UI.

    Args:
        values: strings, finite numbers, booleans, and lists or dictionaries of such. None is refused: Kubeflow's
            launcher fails on it after the work is done. Leave out what has no value.
    """
    for name, value in values.items():
        if not _is_allowed(value):
            raise DataError(
                f"metadata {name}={value!r} of {artifact.name}",
                rule="must be a string, a finite number, a boolean, or a list or dictionary of such",
                remedy="leave out what has no value",
            )
    artifact.metadata.update(values)


def write_metrics(metrics: dsl.Metrics, **values: float) -> None:
    """Show numbers of a task in the Kubeflow UI."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DataError(f"metric {name}={value!r}", rule="must be a finite number", remedy="leave it out")
        metrics.log_metric(name, float(value))


def _is_allowed(value) -> bool:
    match value:
        case str() | bool():
            return True
        case int() | float():
            return math.isfinite(value)
        case list():
            return all(map(_is_allowed, value))
        case dict():
            return all(isinstance(key, str) and _is_allowed(part) for key, part in value.items())
    return False
