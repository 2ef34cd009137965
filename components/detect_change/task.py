"""The work of the component detect_change."""

from pathlib import Path

from kfp import dsl

from palm.builds.records import recorded
from palm.config.resolve import SNAPSHOTS, publish, publish_config, resolve_config
from palm.steps.detect_change import detect_change


def run(config: str, changes: dsl.Markdown, storage_root: str, tracking_uri: str) -> tuple[bool, str, str]:
    """Compare rewards, base model, prompts and settings with those of the last build.

    Neither PyTorch nor a model is loaded.

    Args:
        config: The configuration: the address of a YAML or JSON file (s3://...), or its text.
        storage_root: Overrides storage.root of the configuration; empty: not overridden.
        tracking_uri: Overrides registry.tracking_uri of the configuration; empty: not overridden.

    Returns:
        changes: Differences from the last build, in words.
        changed: Whether an input has changed since the last build.
        config: Address of the validated configuration in the storage, for all other components.
        snapshot: Address of the snapshot of the inputs in the storage.
    """
    resolved = resolve_config(config, storage_root=storage_root, tracking_uri=tracking_uri)
    root = resolved.storage.root
    with recorded(root, "detect_change") as record:
        found = detect_change(resolved, Path(changes.path))
        record.update(changed=found.changed, lines=found.lines)
        return found.changed, publish_config(resolved), publish(root, SNAPSHOTS, found.snapshot)
