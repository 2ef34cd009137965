"""Scoring responses: every value is finite and in [0, 1], or it is an error that names the culprit."""

import copy
import math
from collections.abc import Mapping, Set

import numpy as np

from palm.config import Identity, MinMax, Normalisation, Sigmoid
from palm.errors import RewardError
from palm.models.prompts import PromptSet
from palm.rewards.source import RewardSource


def score(sources: list[RewardSource], prompts: PromptSet, responses: list[str]) -> np.ndarray:
    """Score responses with several rewards.

    Args:
        sources: the rewards, length d.
        prompts: prompt and fields of each response, length n.
        responses: texts, length n.

    Returns:
        Normalised rewards in [0, 1], shape (n, d), float64.

    Raises:
        RewardError: a reward raises, gives the wrong number of values, None, NaN, or leaves its range.
    """
    columns = [score_one(source, prompts, responses) for source in sources]
    return np.stack(columns, axis=1) if columns else np.empty((len(responses), 0))


def score_one(source: RewardSource, prompts: PromptSet, responses: list[str]) -> np.ndarray:
    """Score responses with one reward; arguments and errors as in `score`.

    Returns:
        Normalised rewards in [0, 1], shape (n,), float64.
    """
    what = f"reward {source.spec.name!r}"
    remedy = f"mend {source.spec.uri}"
    try:
        # Copies: a reward that changes its arguments must not change what the next one sees.
        fields = copy.deepcopy(prompts.fields)
        raw = source.function(prompts=list(prompts.texts), responses=list(responses), **fields)
        if isinstance(raw, str | bytes | Mapping | Set):
            raise TypeError(f"returned a {type(raw).__name__} instead of one number per response")
        raw = list(raw)
    except (Exception, SystemExit) as error:  # User code: whatever it raises is told with the reward's name.
        raise RewardError(what, rule=f"raised {type(error).__name__}: {error}", remedy=remedy) from error
    if len(raw) != len(responses):
        raise RewardError(what, rule=f"gave {len(raw)} values for {len(responses)} responses", remedy=remedy)
    return np.array([_checked(value, index, source, responses) for index, value in enumerate(raw)], dtype=np.float64)


def _checked(value, index: int, source: RewardSource, responses: list[str]) -> float:
    what = f"reward {source.spec.name!r} gave {value!r} for response {index} ({responses[index][:60]!r})"
    try:
        if isinstance(value, str | bytes):
            raise TypeError("text is no number")
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise RewardError(what, rule="must be a number", remedy=f"mend {source.spec.uri}") from error
    if not math.isfinite(number):
        raise RewardError(what, rule="must be finite", remedy=f"mend {source.spec.uri}")
    normalised = _normalise(number, source.spec.normalisation)
    if not 0.0 <= normalised <= 1.0:
        raise RewardError(
            what,
            rule=f"is {normalised:.6g} after {source.spec.normalisation.kind} normalisation, must be in [0, 1]",
            remedy=f"set a normalisation that covers its range, or mend {source.spec.uri}",
        )
    return normalised


def _normalise(raw: float, rule: Normalisation) -> float:
    match rule:
        case Identity():
            return raw
        case Sigmoid(center=center, scale=scale):
            # The logistic through tanh: no overflow for any raw value.
            return 0.5 * (1.0 + math.tanh(0.5 * (raw - center) / scale))
        case MinMax(low=low, high=high):
            return (raw - low) / (high - low)
