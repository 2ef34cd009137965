"""Step: record the outcome of a build; runs last in any case."""

import time
from pathlib import Path

from palm.artifacts.outcome import Outcome
from palm.builds.outcome import make_outcome, outcome_markdown, write_outcome
from palm.builds.records import page_name, record_owner, task_records
from palm.config.portfolio import PortfolioConfig
from palm.progress import stage
from palm.registry.kfp_plugin import plugin_link
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.reporting.page import write_outcome_page
from palm.storage.files import write_text
from palm.storage.records import Records


def record_outcome(
    config: PortfolioConfig, build_id: str, destination: Path, page: Path, *, only_if_changed: bool
) -> Outcome:
    """Record the outcome of a build: as Markdown, on a page, in the storage and, if it failed, in MLflow.

    Args:
        page: HTML file to write: the page of the build (`palm.steps.report`), or of the outcome if it made none.
        only_if_changed: whether the pipeline builds only if an input has changed.

    Raises:
        RegistryError: the build failed, and MLflow fails; the file and the record are written.
    """
    root = config.storage.root
    with stage("record_outcome", config.name):
        # A build none of whose tasks has started has no owner yet.
        record_owner(config)
        outcome = make_outcome(
            config.name,
            build_id,
            task_records(root, build_id),
            ended=time.time(),
            only_if_changed=only_if_changed,
            kfp_mlflow_run=plugin_link(),
        )
        text = outcome_markdown(outcome)
        write_text(destination, text)
        write_outcome(root, outcome)
        if outcome.state == "failed" or not Records(root).read_file(page_name(build_id), page):
            write_outcome_page(config.name, outcome, page)
        if outcome.state == "failed":
            PortfolioRegistry(config).fail(build_id, text)
    return outcome
