"""The work of the component record_outcome.

It reads the records of the tasks instead of KFP's `PipelineTaskFinalStatus`, which some backends do not support and
others report wrongly for loops (kubeflow/pipelines #11641, #13321).
"""

from pathlib import Path

from kfp import dsl

from palm.builds.records import current_build
from palm.components.authoring import write_metadata
from palm.config.resolve import resolve_config
from palm.steps.record_outcome import record_outcome


def run(
    config: str, only_if_changed: bool, outcome: dsl.Markdown, page: dsl.HTML, storage_root: str, tracking_uri: str
) -> None:
    """Report which tasks failed and why, or what was promoted; for the exit handler of a pipeline.

    Args:
        config: The configuration: the address of a YAML or JSON file (s3://...), or its text.
        storage_root: Overrides storage.root of the configuration; empty: not overridden.
        tracking_uri: Overrides registry.tracking_uri of the configuration; empty: not overridden.
        only_if_changed: Whether the pipeline builds only if an input has changed.

    Returns:
        outcome: The outcome, in words.
        page: The page of the build; without one, the outcome.
    """
    resolved = resolve_config(config, storage_root=storage_root, tracking_uri=tracking_uri)
    result = record_outcome(
        resolved, current_build(), Path(outcome.path), Path(page.path), only_if_changed=only_if_changed
    )
    write_metadata(outcome, state=result.state, headline=result.headline)
