"""Component: the reference policy and its scored rollouts."""

from typing import NamedTuple

from kfp.dsl import component

from palm.components.authoring import documented_by
from palm.components.sample_reference.task import run
from palm.config.cluster import IMAGE


@component(base_image=IMAGE, install_kfp_package=False)
@documented_by(run)
def sample_reference(config: str, snapshot: str = "") -> NamedTuple("Reference", base_model=str, rollouts=str):
    from palm.components.sample_reference.task import run

    return run(config, snapshot)
