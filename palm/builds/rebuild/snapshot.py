"""Snapshot of a build's inputs, and the differences between two snapshots in words."""

import json
import re

from palm.config.portfolio import PortfolioConfig
from palm.config.rewards import Reward
from palm.errors import DataError
from palm.models.source import model_identity
from palm.rewards.identity import reward_identity
from palm.storage.digest import file_digest
from palm.storage.local_file import local_file
from palm.training.task import TRAINING_REVISION

_DIGEST = re.compile(r'"?[0-9a-f]{32,64}(-[0-9]+)?"?')
"""A sha256, a commit, or an ETag of S3, which ends in the number of parts of a large object."""
_SHOWN_DIGITS = 12
_ABSENT = object()
_NEW, _GONE = "is new", "is gone"
_SECTIONS = (
    "training_revision",
    "base_model",
    "prompts",
    "rewards",
    "reward_order",
    "metrics",
    "embedding_model",
    "settings",
)
_SOURCES = {"rewards": 2, "metrics": 2, "base_model": 1, "embedding_model": 1}
"""Sections with sources, and the number of keys that lead to one."""
_OF_ANY_SOURCE = ("options", "dtype", "system_prompt", "chat_template_kwargs")
_KINDS = {
    "verifier": "verifier",
    "created": "MLflow model",
    "commit": "model of the hub",
    "objects": "S3 objects",
    "files": "folder",
    "tiny": "tiny model",
    "source": "Python function",
}
"""Kind of a source, by a key of its identity."""

_NOT_SETTINGS = {"name", "base_model", "prompts", "rewards", "metrics", "registry", "storage", "rebuild", "cluster"}
"""Sections whose inputs are recorded by content, and sections that change no result."""


def take_snapshot(config: PortfolioConfig) -> dict:
    """Identity of every input of a configuration, JSON-able; no model is downloaded or loaded."""
    embedding = config.evaluation.embedding_model

    def identities(entries: tuple[Reward, ...]) -> dict:
        return {entry.name: reward_identity(entry, config.registry) for entry in entries}

    settings = config.model_dump(mode="json", exclude=_NOT_SETTINGS)
    settings["evaluation"].pop("embedding_model")
    settings["training"] = config.training.fingerprint_settings
    return {
        "training_revision": TRAINING_REVISION,
        "base_model": {"dtype": config.base_model.dtype, **config.base_model.chat_settings, **_base_model(config)},
        "prompts": {name: _file_digest(place, option=f"prompts.{name}") for name, place in config.prompts},
        "rewards": identities(config.rewards),
        "reward_order": config.reward_names,
        "metrics": identities(config.metrics),
        "embedding_model": model_identity(embedding, option="evaluation.embedding_model") if embedding else {},
        "settings": settings,
    }


def check_snapshot(config: PortfolioConfig, snapshot: str) -> None:
    """Refuse to continue a build whose inputs differ from its snapshot, JSON text; outside of a build it is empty."""
    if not snapshot:
        return
    changes = describe_changes(json.loads(snapshot), take_snapshot(config))
    if changes:
        raise DataError(
            "inputs of the build", rule=f"have changed while it ran ({'; '.join(changes)})", remedy="start a new build"
        )


def describe_changes(before: dict, now: dict) -> list[str]:
    """Differences between two snapshots, one line each; none if they are equal."""
    old, new = _flat(before), _flat(now)
    changed = [path for path in {**old, **new} if old.get(path, _ABSENT) != new.get(path, _ABSENT)]
    lines = []
    for subject in _subjects(changed):
        paths = [path for path in changed if path[: len(subject)] == subject]
        whole = _as_a_whole(_at(before, subject), _at(now, subject)) if subject[0] in _SOURCES else ""
        details = [
            f"{_detail(path[len(subject) :])}{_shown(old.get(path, _ABSENT))} → {_shown(new.get(path, _ABSENT))}"
            for path in paths
            if not whole or (path[len(subject)] in _OF_ANY_SOURCE and path in old and path in new)
        ]
        if whole in (_NEW, _GONE):
            lines.append(f"{_name(subject)} {whole}")
        else:
            lines += [f"{_name(subject)}: {text}" for text in [*filter(None, [whole]), *details]]
    return lines


def _base_model(config: PortfolioConfig) -> dict:
    spec = config.base_model
    if spec.tiny is None:
        return model_identity(spec.source, option="base_model.source")
    corpus = _file_digest(spec.tiny.corpus, option="base_model.tiny.corpus")
    return {"tiny": spec.tiny.model_dump(exclude={"corpus"}), "corpus": corpus}


def _file_digest(address: str, *, option: str) -> str:
    try:
        return file_digest(local_file(address))
    except OSError as error:
        raise DataError(
            f"{option}={address}", rule=f"cannot be read ({error.strerror})", remedy="give the path of a JSONL file"
        ) from error


def _flat(value: object, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    """Path to value of every leaf; a list is a leaf."""
    if not isinstance(value, dict):
        return {path: value}
    return {key: leaf for name, part in value.items() for key, leaf in _flat(part, (*path, name)).items()}


def _subjects(changed: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Inputs that the changed leaves belong to, in the order of the sections."""
    found = dict.fromkeys(path[: _SOURCES.get(path[0], len(path))] for path in changed)
    sections = list(dict.fromkeys(path[0] for path in changed if path[0] not in _SECTIONS))
    return sorted(found, key=lambda subject: [*_SECTIONS, *sections].index(subject[0]))


def _at(snapshot: dict, path: tuple[str, ...]) -> dict:
    for key in path:
        snapshot = snapshot.get(key, {})
    return snapshot


def _as_a_whole(before: dict, now: dict) -> str:
    """Change of a source in words, where its leaves would tell a person nothing; else empty."""
    if not before or not now:
        return _GONE if before else _NEW
    old, new = _kind(before), _kind(now)
    if old != new:
        return f"{old} → {new}"
    if "created" not in now:
        return ""
    for key in ("model", "version"):
        if before[key] != now[key]:
            return f"{key} {before[key]} → {now[key]}"
    changed = any(before[key] != now[key] for key in ("created", "source"))
    return f"version {now['version']} was registered again" if changed else ""


def _kind(source: dict) -> str:
    return next((words for key, words in _KINDS.items() if key in source), "another source")


def _name(subject: tuple[str, ...]) -> str:
    match subject[0]:
        case "rewards" | "metrics":
            return f"{subject[0].removesuffix('s')} {subject[1]}"
        case "settings":
            return ".".join(subject[1:])
        case "prompts":
            return f"prompts.{subject[1]}"
        case _:
            return subject[0].replace("_", " ")


def _detail(keys: tuple[str, ...]) -> str:
    words = [{"objects": "object", "files": "file"}.get(key, key) for key in keys if key != "options"]
    return f"{' '.join(words)} " if words else ""


def _shown(value: object) -> str:
    if value is _ABSENT:
        return "nothing"
    if isinstance(value, list):
        return f"[{', '.join(_shown(entry) for entry in value)}]"
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return value.strip('"')[:_SHOWN_DIGITS] + "…"
    return str(value)
