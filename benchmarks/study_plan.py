"""Trainings of the study, and the ways to a portfolio that it compares."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from study_cases import Candidate, Measured, pruned

from palm.config.portfolio import PortfolioConfig
from palm.geometry.portfolio.selection import METHODS
from palm.geometry.preferences.grids import palm_grid, random_grid, uniform_grid

SIZES = (3, 5)
"""K of the portfolios."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Which policies are trained, and what each is for.

    Attributes:
        weights: all preference weights, without repeats, shape (n, d).
        pools: design to the indices of its policies, from which portfolios are chosen.
        whole: portfolios that are a design by themselves: (design, size) to their indices, one or more draws.
    """

    weights: np.ndarray
    pools: dict[str, tuple[int, ...]]
    whole: dict[tuple[str, int], tuple[tuple[int, ...], ...]]

    def origin(self, policy: int) -> str:
        """Which designs have a policy: those to choose from or, where it is in none, those of exactly K."""
        pools = [design for design, members in self.pools.items() if policy in members]
        whole = [
            f"{design} of {size}"
            for (design, size), portfolios in self.whole.items()
            if any(policy in members for members in portfolios)
        ]
        return ", ".join(pools or whole)

    @property
    def sizes(self) -> list[int]:
        """K of the portfolios, increasing."""
        return sorted({size for _, size in self.whole})


def make_plan(config: PortfolioConfig, sizes: Iterable[int] = SIZES) -> Plan:
    """Design the study: the palm grid of the configuration, and as many uniform and random vectors.

    Args:
        config: its ``design.epsilon`` and ``design.delta`` make the palm grid, its ``design.seed`` the random one.
        sizes: K of the portfolios.

    Returns:
        The plan. Uniform designs of exactly K vectors are portfolios too; so are consecutive K of the random ones,
        which are independent draws.
    """
    d = len(config.rewards)
    palm = palm_grid(d, epsilon=config.design.epsilon, delta=config.design.delta)
    designs = {
        "palm": palm,
        "uniform": uniform_grid(d, len(palm)),
        "random": random_grid(d, len(palm), seed=config.design.seed),
    }
    small = {size: uniform_grid(d, size) for size in sizes}
    # As policies are named: equal to 12 places is the same policy.
    stacked = np.round(np.vstack([*designs.values(), *small.values()]), 12)
    _, first, inverse = np.unique(stacked, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    places = iter(order[inverse.ravel()].tolist())
    pools = {name: tuple(next(places) for _ in grid) for name, grid in designs.items()}
    uniform = {size: tuple(next(places) for _ in grid) for size, grid in small.items()}
    whole = {}
    for size, members in uniform.items():
        whole["uniform", size] = (members,)
        draws = range(0, len(palm) - size + 1, size)
        whole["random", size] = tuple(pools["random"][start : start + size] for start in draws)
    return Plan(stacked[np.sort(first)], pools, whole)


def candidates(plan: Plan, measured: Measured) -> list[Candidate]:
    """The ways to a portfolio that the study compares.

    Args:
        plan: the designs.
        measured: on the prompts to choose on.

    Returns:
        For each K each design pruned by each method and the designs of exactly K; and the reference alone.
    """
    found = [Candidate("reference", 0, "whole", 1, ((len(plan.weights),),))]
    for size in plan.sizes:
        found += [
            pruned(measured, design, policies, size=size, method=method)
            for design, policies in plan.pools.items()
            for method in METHODS
        ]
        found += [
            Candidate(design, size, "whole", size, portfolios)
            for (design, whole_size), portfolios in plan.whole.items()
            if whole_size == size
        ]
    return found
