"""The configuration and the snapshot of a run: text, or a file in the storage that is named by its content."""

import json
from pathlib import Path

from palm.config.load import parse_config
from palm.config.locations import with_places
from palm.config.portfolio import PortfolioConfig
from palm.config.yaml_text import parse_yaml
from palm.errors import ConfigError, StorageError
from palm.storage.digest import value_digest
from palm.storage.errors import storage_errors
from palm.storage.location import Location
from palm.storage.records import Records
from palm.storage.s3_backend import S3Backend
from palm.storage.s3_settings import as_told_by, with_s3_settings

CONFIGS, SNAPSHOTS = "configs", "snapshots"
"""Folders below ``storage.root``."""

LONGEST_ADDRESS = 200
"""Characters, without the settings of S3. Kubeflow Pipelines copies an address into every task many times, and shows it
in every panel."""

_DIGITS = 16


def publish(root: str, folder: str, value: dict) -> str:
    """Write JSON-able content to a file that is named by it, in the folder `CONFIGS` or `SNAPSHOTS`.

    Returns:
        Its address, which is the same for the same content; in S3 with the settings by which a pod can read it.
    """
    name = f"{folder}/{value_digest(value)[:_DIGITS]}"
    address, in_s3 = f"{root.rstrip('/')}/{name}.json", Location(root).is_s3
    if in_s3 and len(address) > LONGEST_ADDRESS:
        raise ConfigError(
            f"storage.root={root}",
            rule=f"makes the address of the configuration {len(address)} characters long, the limit is "
            f"{LONGEST_ADDRESS}",
            remedy="choose a shorter prefix",
        )
    records = Records(root)
    if records.read(name) is None:
        records.write(name, value)
    return with_s3_settings(address) if in_s3 else address


def publish_config(config: PortfolioConfig) -> str:
    """Write a validated configuration, without ``cluster``, below its own ``storage.root``; otherwise as `publish`."""
    return publish(config.storage.root, CONFIGS, json.loads(config.to_json()))


def root_of(address: str) -> str | None:
    """``storage.root`` of a configuration that `publish_config` has written; None for any other address or text."""
    root, found, _ = address.rpartition(f"/{CONFIGS}/")
    return root if found and _is_address(address) else None


def read_snapshot(source: str) -> str:
    """JSON text of a run's snapshot, given as text or address; empty text stays empty."""
    return _text(source, "snapshot")


def resolve_config(source: str, *, storage_root: str = "", tracking_uri: str = "") -> PortfolioConfig:
    """Read the configuration of a run.

    Args:
        source: YAML or JSON text, or the address of such a file: ``s3://…`` or an absolute path that ends in .json or
            .yaml; the paths in it must be absolute.
        storage_root: replaces ``storage.root`` unless empty.
        tracking_uri: replaces ``registry.tracking_uri`` unless empty.
    """
    source = source.strip()
    origin = f"config={source}" if _is_address(source) else "config"
    raw = parse_yaml(_text(source, "config"), origin=origin)
    for section, key, value in (("storage", "root", storage_root), ("registry", "tracking_uri", tracking_uri)):
        given = raw.get(section) or {}
        # The validation reports any other type of section.
        if value and isinstance(given, dict):
            raw[section] = {**given, key: value}
    config = parse_config(json.dumps(raw))
    with_places(config, file=_absolute, model=lambda source: _absolute(source) if source.startswith(".") else source)
    return config


def _is_address(source: str) -> bool:
    location = Location(source)
    return location.is_s3 or (location.is_absolute_path and source.endswith((".json", ".yaml", ".yml")))


def _text(source: str, what: str) -> str:
    if not _is_address(source):
        return source
    place = f"{what}={source}"
    if not Location(source).is_s3:
        with storage_errors(place):
            return Path(source).read_text(encoding="utf-8")
    with as_told_by(source) as plain:
        location = Location(plain)
        content = S3Backend(location.parent).read(location.name)
    if content is None:
        raise StorageError(place, rule="cannot be read (there is no such object)", remedy="check bucket and key")
    return content.decode()


def _absolute(place: str) -> str:
    """Refuse a relative path, which each task would resolve in another folder."""
    location = Location(place)
    if not location.is_url and not location.is_absolute_path:
        raise ConfigError(
            f"config: {place}",
            rule="is a relative path, which tasks cannot find",
            remedy="give an absolute path or an s3:// address",
        )
    return place
