"""The work of the component sample_reference."""

from tempfile import TemporaryDirectory

from palm.config.resolve import read_snapshot, resolve_config
from palm.steps.run import run_step


def run(config: str, snapshot: str) -> tuple[str, str]:
    """Prepare the base model (for a tiny one: train it), then sample and score it on all prompts.

    Args:
        config: The configuration: the address that detect_change gives, or JSON text.
        snapshot: Inputs of the build (detect_change); empty outside of a build. It is an error if an input has changed
            since.

    Returns:
        base_model: Name of the base model in the storage.
        rollouts: Name of the scored rollouts in the storage.
    """
    resolved, made_from = resolve_config(config), read_snapshot(snapshot)
    with TemporaryDirectory() as scratch:
        base_model, rollouts = f"{scratch}/base_model", f"{scratch}/rollouts"
        base = run_step("prepare_base_model", resolved, snapshot=made_from, destination=base_model)
        sampled = run_step(
            "sample_reference", resolved, snapshot=made_from, base_model=base_model, destination=rollouts
        )
    return base, sampled
