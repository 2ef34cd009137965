"""The configuration that a run in a cluster is given: as text, or as the address of a file."""

import json
import tempfile
from pathlib import Path

from palm.config import PortfolioConfig
from palm.config_file import parse_config, parse_yaml
from palm.config_places import with_places
from palm.errors import ConfigError
from palm.storage.s3 import s3_download, told


def resolve_config(source: str, *, storage_root: str = "", tracking_uri: str = "") -> PortfolioConfig:
    """Read the configuration of a run.

    Args:
        source: YAML or JSON text, or the s3:// address of such a file; its paths must be absolute.
        storage_root: takes the place of ``storage.root`` unless empty.
        tracking_uri: takes the place of ``registry.tracking_uri`` unless empty.

    Returns:
        The validated configuration.

    Raises:
        ConfigError: it is malformed or breaks a rule.
        StorageError: it cannot be read from S3.
    """
    source = source.strip()
    is_address = source.startswith("s3://")
    raw = parse_yaml(_read_s3(source) if is_address else source, origin=f"config={source}" if is_address else "config")
    for section, key, value in (("storage", "root", storage_root), ("registry", "tracking_uri", tracking_uri)):
        given = raw.get(section) or {}
        # Of anything else that stands there the validation tells.
        if value and isinstance(given, dict):
            raw[section] = {**given, key: value}
    config = parse_config(json.dumps(raw))
    with_places(config, file=_absolute, model=_absolute_folder)
    return config


def _absolute(place: str) -> str:
    """Refuse a path that means another file in every task."""
    if "://" not in place and not Path(place).is_absolute():
        raise ConfigError(
            f"config: {place}",
            rule="is a relative path, which tasks cannot find",
            remedy="give a path or an s3:// address",
        )
    return place


def _absolute_folder(source: str) -> str:
    return _absolute(source) if source.startswith(".") else source


def _read_s3(address: str) -> str:
    with tempfile.TemporaryDirectory() as scratch, told(f"config={address}"):
        path = Path(scratch) / "config"
        s3_download(address, path)
        return path.read_text(encoding="utf-8")
