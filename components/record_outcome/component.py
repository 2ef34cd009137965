"""Component: what became of a build, recorded even when it failed."""

from kfp import dsl

from components import IMAGE
from components.authoring import documented_by
from components.record_outcome.task import run


@dsl.component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def record_outcome(
    config: str,
    only_if_changed: bool,
    outcome: dsl.Output[dsl.Markdown],
    page: dsl.Output[dsl.HTML],
    storage_root: str = "",
    tracking_uri: str = "",
):
    from components.record_outcome.task import run

    run(config, only_if_changed, outcome, page, storage_root, tracking_uri)
