"""portfolio.json: the selected portfolio with its certificate and every policy's evaluation."""

from typing import ClassVar, Literal

from pydantic import Field

from palm.artifacts.base import Artifact, Part, Vector
from palm.artifacts.evaluation import Mean, Measurements, ResponseSpread


class Proof(Part):
    """Proof of the worst-case gap."""

    policies: tuple[str, ...] = Field(description="All candidates, length n.")
    values: tuple[Vector, ...] = Field(description="Value vectors a of the candidates, n of length d.")
    combinations: tuple[Vector, ...] = Field(
        description="Of the members, one row per candidate, for epsilon and delta."
    )
    additive_combinations: tuple[Vector, ...] = Field(description="The same for the additive gap.")


class GapInterval(Part):
    """Sampling error of the worst-case gap: paired bootstrap over prompts."""

    confidence: float = Field(gt=0, lt=1, description="Of the two-sided interval.")
    low: float
    high: float
    upper: float = Field(description="One-sided upper bound.")
    upper_confidence: float = Field(gt=0, lt=1, description="Of the one-sided bound: promotion.confidence.")


class SizeGap(Part):
    """The gap that a portfolio size reaches."""

    size: int = Field(ge=1)
    exact: float | None = Field(description="Certified epsilon of the best portfolio found.")
    bound: float = Field(description="Proven lower bound of epsilon at this size.")
    greedy: float | None = Field(description="Certified epsilon of the greedy portfolio.")


class PortfolioDiversity(Part):
    """Diversity of a portfolio's responses."""

    kernel: str = Field(description="What the Vendi score compares: embeddings or token n-grams.")
    samples_per_prompt: int = Field(ge=1)
    single: ResponseSpread = Field(description="Mean over the policies.")
    mixture: ResponseSpread = Field(description="A user who is answered by a random policy each time.")
    distinct_ngrams: int = Field(ge=1)
    effective_policies: Mean = Field(description="From 1 (the same responses) to K (nothing in common).")
    effective_policies_by_chance: Mean = Field(description="What K equal policies would give.")


class Candidate(Measurements):
    """A policy that the portfolio was selected from."""

    earlier: bool = Field(description="Whether it is a candidate only because it is from the champion's build.")


class Missing(Part):
    """A policy whose training failed permanently."""

    weights: Vector = Field(description="Preference weights, length d.")
    error: str


class Selection(Artifact):
    """The portfolio and its certificate, which `palm verify` checks."""

    FILE: ClassVar[str] = "portfolio.json"

    certificate: Literal["portfolio"] = "portfolio"
    size: int = Field(ge=1, description="Size K that was asked for.")
    method: str = Field(description="exact or greedy.")
    minimised: str = Field(description="epsilon or delta; the other one was granted.")
    portfolio: tuple[str, ...] = Field(description="Names of the members.")
    epsilon: float = Field(description="Multiplicative part of the certified worst-case gap.")
    epsilon_bound: float = Field(description="Proven: no portfolio of this size has a smaller epsilon.")
    delta: float = Field(description="Additive part of the certified worst-case gap.")
    delta_bound: float = Field(description="Proven: no portfolio of this size has a smaller delta.")
    worst_weights: Vector = Field(description="Preference at which epsilon and delta are needed, length d.")
    usage: dict[str, float] = Field(description="Member to the share of all preferences that it serves best.")
    usage_entropy: float = Field(description="Entropy of usage, nats.")
    effective_policies: float = Field(description="exp(usage_entropy).")
    unused: tuple[str, ...] = Field(description="Members that no preference needs.")
    additive_gap: float = Field(description="Additive gap with epsilon 0.")
    additive_worst_weights: Vector = Field(description="Preference at which it is reached, length d.")
    proof: Proof
    interval: GapInterval | None = Field(description="Null where resampled prompts leave no epsilon.")
    size_gap_curve: tuple[SizeGap, ...]
    diversity: PortfolioDiversity
    policies: tuple[Candidate, ...] = Field(description="Every candidate, in the order of the design.")
    missing: tuple[Missing, ...] = Field(description="Policies whose training failed.")
    min_policies: int = Field(ge=1, description="Policies of the build that a portfolio needs.")
    evaluations: dict[str, str] = Field(default={}, description="Policy to the name of its evaluation in the store.")
