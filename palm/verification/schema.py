"""The schema of certificate files: required keys and their types. More keys are allowed."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=1)]
Vector = Annotated[list[Number], Field(min_length=1)]
Rows = Annotated[list[Vector], Field(min_length=1)]
Names = Annotated[list[Annotated[str, Field(strict=True, min_length=1)]], Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class CoverageClaim(_Part):
    """The coverage that is claimed of the cells."""

    covered: bool
    uncovered_fraction: Annotated[Number, Field(ge=0, le=1)]
    counterexample: Vector | None


class CoverFile(_Part):
    """Preference vectors, the coverage of their cells, and a packing that proves how few could do."""

    certificate: Literal["cover"]
    objectives: Annotated[int, Field(strict=True, ge=2)]
    epsilon: Annotated[Number, Field(ge=0, lt=1)]
    delta: Annotated[Number, Field(ge=0, le=1)]
    size: Count
    weights: Rows
    coverage: CoverageClaim
    lower_bound: Count | None = None
    packing: Rows | None = None
    packing_weights: Annotated[list[Annotated[Number, Field(ge=0)]], Field(min_length=1)] | None = None


class Proof(_Part):
    """The policies' value vectors and, one for each policy, the convex combinations of the members."""

    policies: Names
    values: Rows
    combinations: Rows
    additive_combinations: Rows | None = None


class PortfolioFile(_Part):
    """A portfolio and the gap that is claimed of it."""

    certificate: Literal["portfolio"]
    size: Count
    portfolio: Names
    minimised: Literal["epsilon", "delta"] = "epsilon"
    epsilon: Annotated[Number, Field(ge=0, le=1)]
    epsilon_bound: Annotated[Number, Field(ge=0)] | None = None
    delta: Annotated[Number, Field(ge=0)]
    delta_bound: Annotated[Number, Field(ge=0)] | None = None
    worst_weights: Vector
    additive_gap: Annotated[Number, Field(ge=0)] | None = None
    additive_worst_weights: Vector | None = None
    proof: Proof


KINDS: dict[str, type[CoverFile] | type[PortfolioFile]] = {"cover": CoverFile, "portfolio": PortfolioFile}
