"""Diversity of a portfolio's responses."""

from dataclasses import dataclass

import numpy as np
from study_cases import Candidate

from palm.evaluation.diversity import Answers, between_policies


@dataclass(frozen=True)
class Spread:
    """Diversity of a candidate's responses, the mean over its portfolios where it has several.

    Attributes:
        vendi_score: of a prompt's responses by random members.
        distinct: share of different pairs of tokens among a fixed number of theirs; None where responses are too short.
        effective_policies: how many policies with nothing in common would be as different.
        by_chance: the same for equal policies, by chance.
    """

    vendi_score: float
    distinct: float | None
    effective_policies: float
    by_chance: float


def spread_of(candidate: Candidate, answers: list[Answers], *, ngrams: int, seed: int) -> Spread | None:
    """Measure how different the members' responses are.

    Args:
        candidate: its members are indices into the policies.
        answers: of every policy; the reference, which comes after them, has none.
        ngrams: as for `between_policies`.
        seed: as for `between_policies`.

    Returns:
        The diversity; None for the reference.
    """
    if any(member >= len(answers) for portfolio in candidate.portfolios for member in portfolio):
        return None
    found = [
        between_policies([answers[member] for member in portfolio], ngrams=ngrams, seed=seed)
        for portfolio in candidate.portfolios
    ]
    pairs = [one.mixture.distinct["2"] for one in found]

    def mean(name: str) -> float:
        return float(np.mean([getattr(one, name).mean for one in found]))

    return Spread(
        vendi_score=float(np.mean([one.mixture.vendi_score.mean for one in found])),
        distinct=None if None in pairs else float(np.mean([pair.mean for pair in pairs])),
        effective_policies=mean("effective_policies"),
        by_chance=mean("effective_policies_by_chance"),
    )
