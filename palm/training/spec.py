"""What one policy is: everything that decides its adapter, and the name made from that."""

from dataclasses import dataclass, field

import numpy as np

from palm import __version__
from palm.config.portfolio import PortfolioConfig
from palm.geometry.preferences.simplex import check_preference_weights
from palm.storage.digest import value_digest


@dataclass(frozen=True)
class PolicySpec:
    """The definition of a policy.

    Attributes:
        preference_weights: w, shape (d,).
        definition: all that the adapter depends on, as JSON-able values.
        name: ``policy-`` and 12 hex digits of the definition's sha256: same name, same policy.
    """

    preference_weights: np.ndarray
    definition: dict = field(repr=False)

    @property
    def name(self) -> str:
        """The content name."""
        return f"policy-{value_digest(self.definition)[:12]}"


def policy_spec(
    config: PortfolioConfig, weights, *, base_model: str, prompts: str, rewards: list[str], start: str = ""
) -> PolicySpec:
    """Define the policy for some preference weights.

    Of the rewards only those with a positive weight count, by what they are and not by name, in their order: the
    adapter does not depend on the others (`palm.training.objective.Problem.weighing`).

    Args:
        config: the configuration.
        weights: preference weights, shape (d,).
        base_model: digest of the base model's files.
        prompts: digest of the training prompts.
        rewards: fingerprints of the rewards, length d.
        start: name of the earlier policy that the training starts from; empty for none.

    Returns:
        The specification.

    Raises:
        WeightsError: the weights are not on the simplex.
    """
    weights = check_preference_weights(weights, len(config.rewards))
    return PolicySpec(
        weights,
        {
            "palm": __version__,
            "base_model": base_model,
            "dtype": config.base_model.dtype,
            "prompts": prompts,
            "rewards": [[reward, round(float(w), 12)] for reward, w in zip(rewards, weights, strict=True) if w > 0],
            "beta": config.beta,
            "generation": config.generation.model_dump(),
            "reference": config.reference.model_dump(),
            "training": config.training.decisive,
            **({"start": {"policy": start, "steps": config.steps_from_earlier}} if start else {}),
        },
    )


def corner_config(config: PortfolioConfig) -> PortfolioConfig:
    """The configuration by which the corner policies of a soup are trained.

    Args:
        config: a configuration whose backend or warm start is ``soup``.

    Returns:
        The same with the corners' backend, so that corner policies are shared with a design that holds the corners.
    """
    training = config.training.model_copy(update={"backend": config.training.soup.corners, "warm_start": None})
    return config.model_copy(update={"training": training})
