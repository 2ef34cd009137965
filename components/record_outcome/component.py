"""Component: what became of a build, recorded even when it failed.

It reads the records of the tasks, not KFP's `PipelineTaskFinalStatus`: some backends do not know that, others say that
loops are still running (kubeflow/pipelines #11641, #13321).
"""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def record_outcome(
    config: str,
    only_if_changed: bool,
    outcome: dsl.Output[dsl.Markdown],
    storage_root: str = "",
    tracking_uri: str = "",
):
    """Tell which tasks failed and why, or what was promoted; for the exit handler of a pipeline.

    Args:
        config: The configuration: JSON or YAML text, or the s3:// address of such a file.
        storage_root: Takes the place of the configuration's storage.root unless empty.
        tracking_uri: Takes the place of the configuration's registry.tracking_uri unless empty.
        only_if_changed: Whether the pipeline builds only if an input has changed.

    Returns:
        outcome: The outcome, in words.
    """
    from pathlib import Path

    from palm.build_record import current_build
    from palm.config_source import resolve_config
    from palm.stages.record_outcome import record_outcome as step

    resolved = resolve_config(config, storage_root=storage_root, tracking_uri=tracking_uri)
    result = step(resolved, current_build(), Path(outcome.path), only_if_changed=only_if_changed)
    outcome.metadata.update(state=result["state"], headline=result["headline"])
