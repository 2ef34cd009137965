"""Scores of responses: every value is finite and in [0, 1], or an error names the reward and the response."""

import copy
import inspect
import math
from collections.abc import Mapping, Set

import numpy as np

from palm.errors import PalmError, RewardError, RewardValueError
from palm.models.prompts import PromptSet
from palm.rewards.normalisation import normalise
from palm.rewards.source import RewardSource
from palm.rewards.time_limit import TimeLimitError, call_in_time

_MOST_RETRIES = 256
"""Most samples tried one by one to find the one that makes a reward raise."""


def score(sources: list[RewardSource], prompts: PromptSet, responses: list[str]) -> np.ndarray:
    """Score responses with several rewards.

    Args:
        sources: the rewards, length d, with fitted normalisations.
        prompts: prompt and fields of each response, length n.
        responses: texts, length n.

    Returns:
        Normalised rewards in [0, 1], shape (n, d), float64.

    Raises:
        RewardError: a reward raises, takes too long, gives the wrong number of values, None, NaN, or leaves its range.
    """
    return normalised_scores(sources, raw_scores(sources, prompts, responses), responses)


def score_one(source: RewardSource, prompts: PromptSet, responses: list[str]) -> np.ndarray:
    """Score responses with one reward, as `score`: shape (n,)."""
    return score([source], prompts, responses)[:, 0]


def raw_scores(sources: list[RewardSource], prompts: PromptSet, responses: list[str]) -> np.ndarray:
    """Score responses without normalisation, as `score`: finite, shape (n, d), float64."""
    columns = [_raw(source, prompts, responses) for source in sources]
    return np.stack(columns, axis=1) if columns else np.empty((len(responses), 0))


def normalised_scores(sources: list[RewardSource], raw: np.ndarray, responses: list[str]) -> np.ndarray:
    """Map finite raw rewards, shape (n, d), into [0, 1]; a RewardError names the response of a value outside."""
    values = np.empty_like(raw)
    for column, source in enumerate(sources):
        rule = source.spec.normalisation
        values[:, column] = normalise(rule, raw[:, column])
        outside = np.flatnonzero(~((values[:, column] >= 0.0) & (values[:, column] <= 1.0)))
        if outside.size:
            row = outside[0]
            raise RewardValueError(
                f"reward {source.spec.name!r} gave {float(raw[row, column])!r} for {_sample(row, responses)}",
                rule=f"is {float(values[row, column])!r} after {rule.kind} normalisation, must be in [0, 1]",
                remedy=f"set a normalisation that covers its range, or fix {source.spec.uri}",
            )
    return values


def _raw(source: RewardSource, prompts: PromptSet, responses: list[str]) -> np.ndarray:
    if not responses:
        return np.empty(0)
    what, remedy = f"reward {source.spec.name!r}", f"fix {source.spec.uri}"
    values = _call(source, prompts, responses)
    if inspect.isawaitable(values):
        if inspect.iscoroutine(values):
            values.close()
        raise RewardValueError(what, rule="is asynchronous and returned no values", remedy="make it a plain function")
    if isinstance(values, str | bytes | Mapping | Set):
        raise RewardValueError(
            what, rule=f"returned a {type(values).__name__} instead of one number per response", remedy=remedy
        )
    shape = getattr(values, "shape", None)
    if isinstance(shape, tuple) and len(shape) != 1:
        raise RewardValueError(
            what, rule=f"returned an array of shape {tuple(shape)} instead of one number per response", remedy=remedy
        )
    try:
        values = list(values)
    except Exception as error:  # An iterator of the user may raise anything, and None is no list.
        raise RewardValueError(
            what,
            rule=f"returned a {type(values).__name__} that cannot be read ({type(error).__name__}: {error})",
            remedy="return one number per response",
        ) from error
    if len(values) != len(responses):
        raise RewardValueError(what, rule=f"gave {len(values)} values for {len(responses)} responses", remedy=remedy)
    return np.array([_number(value, index, source, responses) for index, value in enumerate(values)], dtype=np.float64)


def _call(source: RewardSource, prompts: PromptSet, responses: list[str]):
    """Call the reward; errors name it and, where it can be found, the sample."""
    spec = source.spec

    def ask(indices: list[int]):
        # Copies: a reward that changes its arguments must not affect the next one.
        chosen = prompts.take(indices)
        fields = copy.deepcopy(chosen.fields)
        values = source.function(prompts=chosen.texts, responses=[responses[index] for index in indices], **fields)
        # A generator has done nothing yet: it must do it here, where it is timed.
        return list(values) if inspect.isgenerator(values) else values

    try:
        return call_in_time(lambda: ask(list(range(len(responses)))), spec.timeout_seconds)
    except TimeLimitError as error:
        raise RewardError(
            f"reward {spec.name!r}: timeout_seconds={spec.timeout_seconds:g}",
            rule=f"scoring {len(responses)} responses took longer",
            remedy=f"raise timeout_seconds, or fix {spec.uri}",
        ) from error
    except PalmError:
        raise
    except (Exception, SystemExit) as error:  # User code may raise anything.
        culprit = None if isinstance(error, SystemExit) else _culprit(ask, len(responses), spec.timeout_seconds)
        place = "" if culprit is None else f" for {_sample(culprit, responses)}"
        raise RewardError(
            f"reward {spec.name!r}", rule=f"raised {type(error).__name__}{place}: {error}", remedy=f"fix {spec.uri}"
        ) from error


def _culprit(ask, count: int, seconds: float) -> int | None:
    """Find the first sample that makes the reward raise on its own; None if no single one of the first few does."""

    def search() -> int | None:
        for index in range(min(count, _MOST_RETRIES)):
            try:
                ask([index])
            except Exception:
                return index
        return None

    try:
        return call_in_time(search, seconds)
    except (TimeLimitError, SystemExit):
        return None


def _number(value, index: int, source: RewardSource, responses: list[str]) -> float:
    what = f"reward {source.spec.name!r} gave {_shown(value)} for {_sample(index, responses)}"
    remedy = f"fix {source.spec.uri}"
    if getattr(value, "shape", ()) != ():
        raise RewardValueError(what, rule="must be one number per response", remedy=remedy)
    try:
        if isinstance(value, str | bytes):
            raise TypeError("text is no number")
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise RewardValueError(what, rule="must be a number", remedy=remedy) from error
    if not math.isfinite(number):
        raise RewardValueError(what, rule="must be finite", remedy=remedy)
    return number


def _sample(index: int, responses: list[str]) -> str:
    return f"response {index} ({responses[index][:60]!r})"


def _shown(value) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
