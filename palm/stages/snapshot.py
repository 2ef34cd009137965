"""What a build is made from at one moment, and in words how two such moments differ."""

import json

from palm import __version__
from palm.config import PortfolioConfig
from palm.errors import DataError
from palm.models.identity import model_identity
from palm.reward_config import Reward
from palm.rewards.identity import reward_identity
from palm.storage.digest import file_digest
from palm.storage.local_file import local_file

_DIGEST_DIGITS = 64
_SHOWN_DIGITS = 12
_ABSENT = object()

# The places of inputs are told by their content, and where results are kept changes no result.
_NOT_SETTINGS = {"name", "base_model", "prompts", "rewards", "metrics", "registry", "storage", "rebuild"}


def take_snapshot(config: PortfolioConfig) -> dict:
    """Ask every source of a configuration what it holds now; no model is downloaded or loaded.

    Args:
        config: the configuration.

    Returns:
        JSON-able: ``palm``, ``base_model``, ``prompts``, ``rewards``, ``metrics``, ``embedding_model``, ``settings``.

    Raises:
        PalmError: a source cannot be read.
    """
    embedding = config.evaluation.embedding_model

    def identities(entries: tuple[Reward, ...]) -> dict:
        return {entry.name: reward_identity(entry, config.registry) for entry in entries}

    settings = config.model_dump(mode="json", exclude=_NOT_SETTINGS)
    settings["evaluation"].pop("embedding_model")
    settings["training"] = config.training.decisive
    return {
        "palm": __version__,
        "base_model": {"dtype": config.base_model.dtype, **_base_model(config)},
        "prompts": {name: file_digest(local_file(place)) for name, place in config.prompts},
        "rewards": identities(config.rewards),
        "reward_order": config.reward_names,
        "metrics": identities(config.metrics),
        "embedding_model": model_identity(embedding, option="evaluation.embedding_model") if embedding else {},
        "settings": settings,
    }


def check_snapshot(config: PortfolioConfig, snapshot: str) -> None:
    """Check that a build goes on with what it began with.

    Args:
        config: the configuration.
        snapshot: what the build is made from, JSON text; empty outside of a build.

    Raises:
        DataError: an input is another one by now.
        PalmError: an input cannot be read.
    """
    if not snapshot:
        return
    changes = describe_changes(json.loads(snapshot), take_snapshot(config))
    if changes:
        raise DataError(
            "inputs of the build",
            rule=f"have changed while it ran ({'; '.join(changes)})",
            remedy="start a new build",
        )


def describe_changes(before: dict, now: dict) -> list[str]:
    """Tell in words how two snapshots differ.

    Args:
        before: the older snapshot.
        now: the newer one.

    Returns:
        One line a difference; none if they are equal.
    """
    old, new = _flat(before), _flat(now)
    changed = [path for path in {**old, **new} if old.get(path, _ABSENT) != new.get(path, _ABSENT)]
    whole = {path[:2] for path in changed if path[0] in ("rewards", "metrics") and _presence(before, now, path)}
    lines = [f"{_subject(path)} {_presence(before, now, path)}" for path in sorted(whole)]
    lines += [
        f"{_subject(path)}: {_detail(path)}{_shown(old.get(path, _ABSENT))} → {_shown(new.get(path, _ABSENT))}"
        for path in changed
        if path[:2] not in whole
    ]
    return lines


def _base_model(config: PortfolioConfig) -> dict:
    spec = config.base_model
    if spec.tiny is None:
        return model_identity(spec.source, option="base_model.source")
    return {"tiny": spec.tiny.model_dump(exclude={"corpus"}), "corpus": file_digest(local_file(spec.tiny.corpus))}


def _flat(value, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    """Every leaf by the keys that lead to it; a list is a leaf."""
    if not isinstance(value, dict):
        return {path: value}
    return {key: leaf for name, part in value.items() for key, leaf in _flat(part, (*path, name)).items()}


def _presence(before: dict, now: dict, path: tuple[str, ...]) -> str:
    """Whether a reward came or went as a whole; empty if it was and is there."""
    section, name = path[:2]
    if name not in before.get(section, {}):
        return "is new"
    return "" if name in now.get(section, {}) else "is gone"


def _subject(path: tuple[str, ...]) -> str:
    match path[0]:
        case "rewards" | "metrics":
            return f"{path[0].removesuffix('s')} {path[1]}"
        case "settings":
            return ".".join(path[1:])
        case "prompts":
            return f"prompts.{path[1]}"
        case _:
            return path[0].replace("_", " ")


def _detail(path: tuple[str, ...]) -> str:
    """What of the subject it is, where the subject is more than one thing."""
    rest = {"rewards": path[2:], "metrics": path[2:], "base_model": path[1:], "embedding_model": path[1:]}
    keys = [key for key in rest.get(path[0], ()) if key != "options"]
    return f"{' '.join(keys)} " if keys else ""


def _shown(value) -> str:
    if value is _ABSENT:
        return "nothing"
    if isinstance(value, list):
        return f"[{', '.join(_shown(entry) for entry in value)}]"
    if isinstance(value, str) and len(value.strip('"')) >= _DIGEST_DIGITS // 2 and value.strip('"').isalnum():
        return value.strip('"')[:_SHOWN_DIGITS]
    return str(value)
