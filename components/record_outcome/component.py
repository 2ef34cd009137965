"""Component: the outcome of a build, recorded even when it failed."""

from kfp.dsl import HTML, Markdown, Output, component

from palm.components import IMAGE
from palm.components.authoring import documented_by
from palm.components.record_outcome.task import run


@component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def record_outcome(
    config: str,
    only_if_changed: bool,
    outcome: Output[Markdown],
    page: Output[HTML],
    storage_root: str = "",
    tracking_uri: str = "",
):
    from palm.components.record_outcome.task import run

    run(config, only_if_changed, outcome, page, storage_root, tracking_uri)
