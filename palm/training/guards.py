"""Guards: a training that can only get worse is stopped, and its policy is marked."""

import math

from palm.artifacts.evaluation import Guard, Mean
from palm.config.training import Training

_STEPS_ABOVE = 3
_STANDARD_ERRORS = 2.0
"""How far J must lie below J_ref for the guard to fire: a policy that learned nothing is not marked by chance."""


class GuardFired(Exception):
    """Raised out of a trainer to stop it immediately.

    Args:
        kind: ``loss`` (not finite) or ``kl`` (above the limit).
        message: the observation, in words.
        step: optimiser steps done.
        good_step: the last step whose policy was seen to be good. The log of a step is measured before its update, so
            the policy of the step before the first bad one is bad already.
    """

    def __init__(self, kind: str, message: str, *, step: int, good_step: int):
        super().__init__(message)
        self.guard = Guard(kind=kind, message=message, step=step, good_step=good_step)


def kl_limit(settings: Training, beta: float) -> float:
    """The KL, in nats, above which a training is stopped: ``training.max_kl``, or 1 / β.

    Rewards lie in [0, 1], so J ≤ 1 − β KL: above 1 / β every policy is worse than the reference, whose J is at least 0.
    """
    return 1.0 / beta if settings.max_kl is None else settings.max_kl


class Watchdog:
    """Checks what a trainer logs, step by step, with a limit for the KL of a whole response, in nats."""

    def __init__(self, limit: float):
        self._limit = limit
        self._above = 0

    @property
    def in_doubt(self) -> bool:
        """Whether the KL was above the limit at the last step: not a state to go back to."""
        return self._above > 0

    def check(self, entry: dict, *, step: int) -> None:
        """Check the logged values of a step.

        The KL must be above the limit for a few steps in a row: it is estimated on the step's responses, and GRPO's
        estimator k3 has a heavy tail, so that a single step can show many times the true value.

        Args:
            entry: the logged values; ``kl`` is TRL's mean per token.

        Raises:
            GuardFired: the loss or its gradient is not finite, or the KL stays above the limit.
        """
        for name in ("loss", "grad_norm"):
            if name in entry and not math.isfinite(entry[name]):
                good_step = step - 2 - self._above
                raise GuardFired("loss", f"{name} is {entry[name]} at step {step}", step=step, good_step=good_step)
        if "kl" in entry:
            kl = entry["kl"] * entry["completions/mean_length"]
            self._above = self._above + 1 if kl > self._limit else 0
            if self._above == _STEPS_ABOVE:
                message = f"KL is {kl:.4g} nats at step {step}, the limit is {self._limit:.4g}"
                raise GuardFired("kl", message, step=step, good_step=step - 1 - self._above)


def is_worse_than_reference(gain: Mean) -> bool:
    """Whether J is below J_ref by more than two standard errors, given J − J_ref."""
    return gain.mean + _STANDARD_ERRORS * gain.standard_error < 0


def check_objective(gain: Mean, *, prompts: int, step: int) -> Guard | None:
    """The guard if J is below J_ref after training, given J − J_ref on training prompts; else None."""
    if not is_worse_than_reference(gain):
        return None
    message = f"J is {-gain.mean:.4f} ± {gain.standard_error:.4f} below J_ref on {prompts} training prompts"
    return Guard(kind="objective", message=message, step=step, good_step=0)
