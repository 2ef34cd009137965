"""The configuration of a reward's normalisation: how raw values are mapped into [0, 1].

A number that is left out is *calibrated*: taken from the raw scores of the reference policy's responses to the
training prompts. A calibrated rule is the same section with its numbers filled in.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from palm.config.base import Section

_CALIBRATED = "unset: calibrated on the reference's responses"


class _Rule(Section):
    @property
    def is_fitted(self) -> bool:
        """Whether all numbers of the rule are known."""
        return all(value is not None for _, value in self)


class Identity(_Rule):
    """Use the raw reward as it is; it must already lie in [0, 1]."""

    kind: Literal["identity"] = Field("identity", description="Take the raw value.")


class Sigmoid(_Rule):
    """Map any real reward into [0, 1] by 1 / (1 + exp(−(raw − center) / scale))."""

    kind: Literal["sigmoid"] = Field(description="Logistic curve.")
    center: float | None = Field(None, description=f"Raw value that maps to 0.5; {_CALIBRATED}, their mean.")
    scale: float | None = Field(
        None,
        gt=0,
        description=f"Raw units per unit of the logistic's argument; {_CALIBRATED}, √3/π times their standard "
        "deviation.",
    )


class MinMax(_Rule):
    """Map [low, high] linearly onto [0, 1]."""

    kind: Literal["minmax"] = Field(description="Linear map.")
    low: float | None = Field(None, description=f"Raw value that maps to 0; {_CALIBRATED}, their minimum.")
    high: float | None = Field(None, description=f"Raw value that maps to 1; {_CALIBRATED}, their maximum.")
    outside: Literal["error", "clip"] = Field(
        "error",
        description="Raw values outside [low, high] are an error, or become 0 and 1; clip is required where "
        "low or high is calibrated, since better policies leave the reference's range.",
    )

    @model_validator(mode="after")
    def _usable(self):
        if self.is_fitted and self.low >= self.high:
            raise ValueError(f"low={self.low}, high={self.high}: low must be smaller than high")
        if not self.is_fitted and self.outside == "error":
            raise ValueError(
                "low and high are calibrated on the reference's responses, and a trained policy leaves their range: "
                "give both, or set `outside: clip`"
            )
        return self


class Quantile(_Rule):
    """Map a raw value to the share of the reference's responses below it, ties counting half (mid-rank)."""

    kind: Literal["quantile"] = Field(description="Empirical distribution function.")
    values: tuple[float, ...] | None = Field(None, description=f"Raw values of the knots, ascending; {_CALIBRATED}.")
    levels: tuple[Annotated[float, Field(ge=0, le=1)], ...] | None = Field(
        None, description="What each knot maps to; between knots the rule is linear, below them 0, above them 1."
    )

    @model_validator(mode="after")
    def _usable(self):
        if (self.values is None) != (self.levels is None):
            raise ValueError("values and levels must be given together, or both left out")
        if self.values is None:
            return self
        if len(self.values) != len(self.levels) or len(self.values) < 2:
            raise ValueError(
                f"{len(self.values)} values and {len(self.levels)} levels: must be as many, and at least two"
            )
        if any(a >= b for a, b in zip(self.values, self.values[1:], strict=False)):
            raise ValueError("values must ascend")
        if any(a > b for a, b in zip(self.levels, self.levels[1:], strict=False)):
            raise ValueError("levels must not descend")
        return self


Normalisation = Annotated[Identity | Sigmoid | MinMax | Quantile, Field(discriminator="kind")]
