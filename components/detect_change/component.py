"""Component: whether there is anything new to build."""

from typing import NamedTuple

from kfp.dsl import Markdown, Output, component

from palm.components.authoring import documented_by
from palm.components.detect_change.task import run
from palm.config.cluster import IMAGE


@component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def detect_change(config: str, changes: Output[Markdown], storage_root: str = "", tracking_uri: str = "") -> NamedTuple(
    "Change", changed=bool, config=str, snapshot=str
):
    from palm.components.detect_change.task import run

    return run(config, changes, storage_root, tracking_uri)
