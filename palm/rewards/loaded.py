"""What loading a reward of any kind gives."""

from collections.abc import Callable
from dataclasses import dataclass

RawReward = Callable[..., object]


@dataclass(frozen=True)
class Loaded:
    """A reward before its normalisation.

    Attributes:
        function: ``function(prompts, responses, **fields) -> one raw number per response``.
        identity: JSON-able, everything that the raw values depend on.
    """

    function: RawReward
    identity: dict
