"""Verifiers: rewards that check a response's form or length, and the choice among all kinds of them."""

import json
import math
from collections.abc import Callable

from palm.config.rewards import JsonVerifier, LengthVerifier, NumberVerifier, RegexVerifier
from palm.rewards.loaded import Loaded
from palm.rewards.verifier.numbers import number_verifier

VERSION = 1
"""Part of every verifier's fingerprint: raise it when a change gives another value to any response."""
_FENCE = "```"


def load_verifier(spec: RegexVerifier | JsonVerifier | NumberVerifier | LengthVerifier) -> Loaded:
    """Make the function of a verifier; its identity is the kind, its options and VERSION."""
    match spec:
        case RegexVerifier():
            function = _each(_regex(spec))
        case JsonVerifier():
            function = _each(_json(spec))
        case NumberVerifier():
            function = number_verifier(spec)
        case LengthVerifier():
            function = _each(_length(spec))
    options = spec.model_dump(mode="json", exclude={"name", "normalisation", "timeout_seconds"})
    return Loaded(function, {"verifier": options, "version": VERSION})


def _each(value: Callable[[str], float]) -> Callable[..., list[float]]:
    return lambda prompts, responses, **fields: [value(response) for response in responses]


def _regex(spec: RegexVerifier) -> Callable[[str], float]:
    # Not `re`, which holds the interpreter while it backtracks: no time limit could ever end it. Its own limit ends the
    # thread in which it was given up.
    import regex

    pattern = regex.compile(spec.pattern)
    match = pattern.fullmatch if spec.mode == "full" else pattern.search
    return lambda response: float(match(response, concurrent=True, timeout=2 * spec.timeout_seconds) is not None)


def _json(spec: JsonVerifier) -> Callable[[str], float]:
    def value(response: str) -> float:
        text = _unfenced(response) if spec.fenced else response
        try:
            found = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return 0.0
        if not spec.required:
            return 1.0
        return float(isinstance(found, dict) and all(key in found for key in spec.required))

    return value


def _refuse(constant: str):
    # Python reads NaN and Infinity, which are not JSON.
    raise ValueError(f"{constant} is not JSON")


def _unfenced(response: str) -> str:
    """Give the inside of a response that is one ``` block, with or without a language; else the response itself."""
    text = response.strip()
    head, newline, rest = text.partition("\n")
    if not (newline and head.startswith(_FENCE) and rest.endswith(_FENCE)):
        return response
    return rest.removesuffix(_FENCE)


def _length(spec: LengthVerifier) -> Callable[[str], float]:
    def value(response: str) -> float:
        missed = (len(response.split()) if spec.unit == "words" else len(response)) - spec.target
        excess = {"at_most": max(0, missed), "at_least": max(0, -missed), "near": abs(missed)}[spec.prefer]
        return math.exp(-excess / spec.scale)

    return value
