"""Component: the portfolio as one MLflow model version."""

from typing import List

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register_portfolio(
    config: str,
    build_id: str,
    policies: dsl.Input[List[dsl.Model]],
    base_model: dsl.Input[dsl.Model],
    design: dsl.Input[dsl.Artifact],
    selection: dsl.Input[dsl.Artifact],
    registration: dsl.Output[dsl.Artifact],
):
    """Record the build in MLflow and register its portfolio under the alias challenger.

    Args:
        config: The validated configuration, as JSON text.
        build_id: Names the build; a retry with the same one registers nothing twice.
        policies: Folders of train_policy.
        base_model: Prepared base model.
        design: JSON file of design_grid.
        selection: JSON file of select_portfolio.
        registration: JSON file with model, version, run and aliases.
    """
    from pathlib import Path

    from palm.config_file import parse_config
    from palm.stages.register_portfolio import register_portfolio as step

    result = step(
        parse_config(config),
        build_id=build_id,
        policies=[Path(item.path) for item in policies],
        base_model=Path(base_model.path),
        design=Path(design.path),
        selection=Path(selection.path),
        destination=Path(registration.path),
    )
    registration.metadata.update(model=result["model"], version=result["version"])
