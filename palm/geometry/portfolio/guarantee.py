"""Guarantees (ε, δ) and their composition: from the grid to the trained policies to the portfolio that serves."""

from dataclasses import dataclass

from palm.geometry.portfolio.certificate import check_delta
from palm.geometry.portfolio.smallest_delta import check_epsilon


@dataclass(frozen=True)
class Guarantee:
    """For every preference v some policy has J_v ≥ (1 - epsilon) · (the best value) - delta (Definition 3.2).

    Epsilon is in [0, 1] and delta at least 0; a SelectionError says so on construction.
    """

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        """Check both parts."""
        check_epsilon(self.epsilon)
        check_delta(self.delta)


def compose(trained: Guarantee, pruned: Guarantee) -> Guarantee:
    """Compute the guarantee of a pruned portfolio against the optimum: (ε₁ + ε₂ - ε₁ε₂, (1 - ε₂) δ₁ + δ₂).

    Args:
        trained: of the trained policies against the optimum.
        pruned: of the portfolio against the trained policies.

    Source:
        Derived: J_v ≥ (1 - ε₂) T(v) - δ₂ and T(v) ≥ (1 - ε₁) J*(v) - δ₁, where 1 - ε₂ is not negative.
    """
    return Guarantee(
        epsilon=1 - (1 - trained.epsilon) * (1 - pruned.epsilon),
        delta=(1 - pruned.epsilon) * trained.delta + pruned.delta,
    )


def cell_guarantee(epsilon: float, delta: float, *, reward_max: float, cost_max: float) -> Guarantee:
    """Compute the guarantee of a policy that is optimal for w to the preferences in the cell of w.

    Args:
        epsilon: ε' of the cells, in [0, 0.5].
        delta: δ' of the cells, at least 0.
        reward_max: R_max, the largest Σ_i R_i(π) of the policies concerned; at most d.
        cost_max: f_max, the largest f(π) of the policies concerned; at most 1 for optimal ones.

    Returns:
        (2ε', 2(δ' R_max + ε' f_max)); for every preference if the cells cover the simplex.

    Source:
        Lemma 3.2 of arXiv 2604.04144, with the constants derived in docs/method.md.
    """
    return Guarantee(epsilon=2 * epsilon, delta=2 * (delta * reward_max + epsilon * cost_max))
