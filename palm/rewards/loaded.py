"""Loaded rewards of any kind, before their normalisation."""

from collections.abc import Callable
from dataclasses import dataclass

from palm.config.rewards import Reward

RawReward = Callable[..., object]
"""``function(prompts, responses, **fields)``, which gives one raw number per response."""


@dataclass(frozen=True)
class Loaded:
    """A reward before its normalisation; the JSON-able identity holds everything that its raw values depend on."""

    function: RawReward
    identity: dict


def reward_name(spec: Reward) -> str:
    """Name a reward with its source, for messages."""
    return f"reward {spec.name!r}: uri={spec.uri!r}"
