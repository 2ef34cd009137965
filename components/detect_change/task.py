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
        storage_root: Takes the place of the configuration's storage.root unless empty.
        tracking_uri: Takes the place of the configuration's registry.tracking_uri unless empty.

    Returns:
        changes: What has changed, in words.
        changed: Whether a build would give anything new.
        config: Address of the validated configuration in the storage, for all other components.
        snapshot: Address of what a build would be made from now.
    """
    resolved = resolve_config(config, storage_root=storage_root, tracking_uri=tracking_uri)
    root = resolved.storage.root
    with recorded(root, "detect_change") as record:
        found = detect_change(resolved, Path(changes.path))
        record.update(changed=found.changed, lines=found.lines)
        return found.changed, publish_config(resolved), publish(root, SNAPSHOTS, found.snapshot)
