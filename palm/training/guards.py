"""Guards: a training that can only get worse is stopped, and what it leaves is marked."""

import math
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from palm.artifacts.evaluation import Mean
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.measure import mean_over_prompts

_STEPS_ABOVE = 3
_STANDARD_ERRORS = 2.0
"""How far J must lie below J_ref for the guard to fire: a policy that learned nothing is not marked by chance."""


@dataclass(frozen=True)
class Guard:
    """What fired.

    Attributes:
        kind: ``loss`` (not finite), ``kl`` (above the limit) or ``objective`` (J below J_ref after training).
        message: what was seen, in words.
        step: optimiser steps done.
        good_step: the last step whose policy was seen to be good. What is logged of a step was measured before its
            update, so the policy of the step before the first bad one is bad already.
    """

    kind: Literal["loss", "kl", "objective"]
    message: str
    step: int
    good_step: int

    def to_dict(self) -> dict:
        """For policy.json."""
        return asdict(self)


class GuardFired(Exception):
    """Raised out of a trainer to stop it at once."""

    def __init__(self, guard: Guard):
        super().__init__(guard.message)
        self.guard = guard


def kl_limit(config: PortfolioConfig) -> float:
    """The KL, in nats, above which a training is stopped.

    Rewards lie in [0, 1], so J ≤ 1 − β KL: above 1 / β every policy is worse than the reference, whose J is at least 0.

    Args:
        config: the configuration.

    Returns:
        ``training.max_kl``, or 1 / β.
    """
    return 1.0 / config.beta if config.training.max_kl is None else config.training.max_kl


class Watchdog:
    """Watches what a trainer logs, step by step.

    Args:
        limit: largest KL of a whole response, in nats.
    """

    def __init__(self, limit: float):
        self._limit = limit
        self._above = 0

    @property
    def in_doubt(self) -> bool:
        """Whether the KL was above the limit at the last step: not a state to go back to."""
        return self._above > 0

    def check(self, entry: dict, *, step: int) -> None:
        """Look at what was logged about a step.

        The KL must be above the limit a few steps in a row: it is estimated on the step's responses, and GRPO's
        estimator k3 has a heavy tail, so that a single step can show many times the true value.

        Args:
            entry: the logged values; ``kl`` is TRL's mean per token.
            step: optimiser steps done.

        Raises:
            GuardFired: the loss or its gradient is not finite, or the KL stays above the limit.
        """
        for name in ("loss", "grad_norm"):
            if name in entry and not math.isfinite(entry[name]):
                raise GuardFired(Guard("loss", f"{name} is {entry[name]} at step {step}", step, step - 2 - self._above))
        if "kl" in entry:
            kl = entry["kl"] * entry["completions/mean_length"]
            self._above = self._above + 1 if kl > self._limit else 0
            if self._above == _STEPS_ABOVE:
                message = f"KL is {kl:.4g} nats at step {step}, the limit is {self._limit:.4g}"
                raise GuardFired(Guard("kl", message, step, step - 1 - self._above))


def is_worse_than_reference(gain: Mean) -> bool:
    """Tell whether J is below J_ref by more than two standard errors.

    Args:
        gain: J − J_ref.
    """
    return gain.mean + _STANDARD_ERRORS * gain.standard_error < 0


def check_objective(difference: np.ndarray, *, step: int) -> Guard | None:
    """Check after training that the policy is not worse than the reference.

    Args:
        difference: J − J_ref for each response and prompt, shape (p prompts, n samples).
        step: optimiser steps done.

    Returns:
        The guard if J is below J_ref by more than two standard errors, else None.
    """
    measured = mean_over_prompts(difference)
    if not is_worse_than_reference(measured):
        return None
    return Guard(
        "objective",
        f"J is {-measured.mean:.4f} ± {measured.standard_error:.4f} below J_ref on {len(difference)} training prompts",
        step,
        0,
    )
