"""Overrides of single keys of a configuration: ``cluster.tasks.memory=64Gi``."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from palm.config.yaml_text import YAML_ERRORS, load_yaml
from palm.errors import ConfigError


def parse_overrides(settings: Iterable[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` texts: a dotted key and YAML; a later one replaces an earlier one of the same key."""
    found = {}
    for text in settings:
        key, separator, value = text.partition("=")
        if not separator or not all(key.split(".")):
            raise ConfigError(
                f"--set {text}", rule="must be KEY=VALUE", remedy="write e.g. --set cluster.tasks.memory=64Gi"
            )
        found[key] = _parse_value(key, value)
    return found


def read_overrides(folder: Path) -> dict[str, Any]:
    """Read a folder with one file for each key, such as a mounted ConfigMap."""
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        return {path.name: _parse_value(path.name, path.read_text(encoding="utf-8")) for path in files}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"--settings {folder}", rule=f"cannot be read ({error})", remedy="give a folder with one file for each key"
        ) from error


def with_overrides(raw: dict, overrides: Mapping[str, Any]) -> dict:
    """A copy of a configuration, not validated yet, with other values of some keys; missing sections are added.

    A number in a key is a position in a list.
    """
    for key, value in overrides.items():
        raw = _with_value(raw, key.split("."), value, key)
    return raw


def _with_value(node: Any, path: list[str], value: Any, key: str) -> Any:
    if not path:
        return value
    step, *rest = path
    if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
        return [_with_value(part, rest, value, key) if i == int(step) else part for i, part in enumerate(node)]
    if node is None or isinstance(node, dict):
        node = node or {}
        return {**node, step: _with_value(node.get(step), rest, value, key)}
    raise ConfigError(
        f"--set {key}", rule=f"{step!r} is no key of the configuration", remedy="see `palm schema` for every key"
    )


def _parse_value(key: str, text: str) -> Any:
    try:
        return load_yaml(text)
    except YAML_ERRORS as error:
        raise ConfigError(
            f"--set {key}={text}", rule=f"is not valid YAML ({error})", remedy="quote the value"
        ) from error
