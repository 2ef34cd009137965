"""Normalisation of raw rewards into [0, 1], and its fit to the raw rewards of the reference."""

import math

import numpy as np
from pydantic import ValidationError

from palm.config.normalisation import Identity, MinMax, Normalisation, Quantile, Sigmoid
from palm.errors import RewardError

MAX_KNOTS = 200
"""Knots of a quantile rule: it is within 2 / (MAX_KNOTS − 1) = 0.01 of the full empirical distribution function."""


def normalise(rule: Normalisation, raw: np.ndarray) -> np.ndarray:
    """Apply a fitted rule to finite raw rewards of any shape.

    Returns:
        In [0, 1], except where a raw value is outside the range of an identity or of a minmax rule without clipping.
    """
    match rule:
        case Identity():
            return raw
        case Sigmoid(center=center, scale=scale):
            # The logistic through tanh: no overflow for any raw value.
            return 0.5 * (1.0 + np.tanh(0.5 * (raw - center) / scale))
        case MinMax(low=low, high=high, outside=outside):
            scaled = (raw - low) / (high - low)
            return np.clip(scaled, 0.0, 1.0) if outside == "clip" else scaled
        case Quantile(values=values, levels=levels):
            # Clipped because interpolation may leave the interval of two levels by a rounding error.
            return np.clip(np.interp(raw, values, levels, left=0.0, right=1.0), 0.0, 1.0)


def fit(rule: Normalisation, raw: np.ndarray, *, name: str) -> Normalisation:
    """Fill in the numbers that a rule lacks.

    Args:
        rule: numbers that it has already stay.
        raw: finite raw rewards of the reference's responses, shape (n,).

    Raises:
        RewardError: the raw rewards do not determine them.
    """
    if rule.is_fitted:
        return rule
    if raw.min() == raw.max():
        raise RewardError(
            f"reward {name!r} gave {raw[0]:.6g} for all {raw.size} responses of the reference",
            rule=f"a {rule.kind} normalisation cannot be calibrated on a constant",
            remedy="give the normalisation's numbers, or a reward that distinguishes responses",
        )
    match rule:
        case Sigmoid(center=center, scale=scale):
            # The logistic distribution with the same mean and variance: its CDF is this curve.
            with np.errstate(over="ignore"):  # An overflow gives an infinity, which the rule itself refuses.
                center = float(raw.mean()) if center is None else center
                scale = float(raw.std()) * math.sqrt(3.0) / math.pi if scale is None else scale
            fitted = {"center": center, "scale": scale}
        case MinMax(low=low, high=high):
            low, high = float(raw.min()) if low is None else low, float(raw.max()) if high is None else high
            fitted = {"low": low, "high": high}
        case Quantile():
            values, levels = _mid_ranks(raw)
            fitted = {"values": tuple(values.tolist()), "levels": tuple(levels.tolist())}
    try:
        return type(rule).model_validate(rule.model_dump() | fitted)
    except ValidationError as error:
        raise RewardError(
            f"reward {name!r} gave values from {raw.min():.6g} to {raw.max():.6g}",
            rule=f"a {rule.kind} normalisation cannot be calibrated on them ({error.errors()[0]['msg']})",
            remedy="give the normalisation's numbers",
        ) from error


def _mid_ranks(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute P(X < x) + P(X = x) / 2 at no more than MAX_KNOTS points, extremes included."""
    values, counts = np.unique(raw, return_counts=True)
    levels = (np.cumsum(counts) - 0.5 * counts) / raw.size
    if len(values) > MAX_KNOTS:
        wanted = np.linspace(levels[0], levels[-1], MAX_KNOTS)
        right = np.clip(np.searchsorted(levels, wanted), 1, len(levels) - 1)
        nearest = np.where(wanted - levels[right - 1] <= levels[right] - wanted, right - 1, right)
        kept = np.unique(nearest)
        values, levels = values[kept], levels[kept]
    return values, levels
