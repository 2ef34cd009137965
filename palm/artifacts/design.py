"""design.json: the grid of preference weights with the certificate of its coverage."""

from typing import ClassVar, Literal

from pydantic import Field

from palm.artifacts.base import Artifact, Part, Vector


class Coverage(Part):
    """Whether the cells of the grid cover the simplex."""

    method: str = Field(description="How coverage was checked.")
    covered: bool
    uncovered_fraction: float = Field(ge=0, le=1, description="Share of the simplex that no cell covers.")
    counterexample: Vector | None = Field(description="Uncovered preference, length d; null if covered.")


class Predicted(Part):
    """The estimate behind a grid of the strategy predicted."""

    epsilon: float = Field(description="Expected gap.")
    trusted: bool = Field(description="Whether the effective sample sizes are large enough.")
    effective_sample_size: Vector = Field(description="Mean over prompts, per weight vector.")
    smallest_effective_sample_size: Vector = Field(description="Worst prompt, per weight vector.")
    optimum_bias: Vector = Field(description="About how much J* is estimated too low, per weight vector.")
    samples_per_prompt: int = Field(ge=1)


class Design(Artifact):
    """Preference weights to train: a certificate that `palm verify` checks."""

    FILE: ClassVar[str] = "design.json"

    certificate: Literal["cover"] = "cover"
    strategy: str
    objectives: int = Field(ge=2, description="Number of rewards d.")
    epsilon: float = Field(description="Multiplicative tolerance ε' of the cells.")
    delta: float = Field(description="Additive tolerance δ' of the cells.")
    size: int = Field(ge=1, description="Number n of weight vectors.")
    weights: tuple[Vector, ...] = Field(description="Preference weights, n vectors of length d, each summing to 1.")
    coverage: Coverage
    lower_bound: int = Field(description="Proven: no cover has fewer vectors.")
    packing: tuple[Vector, ...] = Field(description="Proof of lower_bound: preferences that no cell shares.")
    packing_weights: Vector = Field(description="Weight of each of them in the proof.")
    predicted: Predicted | None = Field(default=None, description="Strategy predicted only.")
