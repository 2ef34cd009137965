"""Component: whether there is anything new to build."""

from typing import NamedTuple

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def detect_change(
    config: str, changes: dsl.Output[dsl.Markdown], storage_root: str = "", tracking_uri: str = ""
) -> NamedTuple("Change", changed=bool, config=str, snapshot=str):
    """Compare rewards, base model, prompts and settings with those of the last build.

    Neither PyTorch nor a model is loaded.

    Args:
        config: The configuration: JSON or YAML text, or the s3:// address of such a file.
        storage_root: Takes the place of the configuration's storage.root unless empty.
        tracking_uri: Takes the place of the configuration's registry.tracking_uri unless empty.

    Returns:
        changes: What has changed, in words.
        changed: Whether a build would give anything new.
        config: The validated configuration, as JSON text, for all other components.
        snapshot: What a build would be made from now, as JSON text.
    """
    import json
    from pathlib import Path

    from palm.build_record import recorded
    from palm.config_source import resolve_config
    from palm.stages.detect_change import detect_change as step

    resolved = resolve_config(config, storage_root=storage_root, tracking_uri=tracking_uri)
    with recorded(resolved.storage.root, "detect_change") as record:
        found = step(resolved, Path(changes.path))
        record.update(changed=found.changed, lines=found.lines)
    return found.changed, resolved.to_json(), json.dumps(found.snapshot)
