"""Component: the portfolio as one MLflow model version."""

from typing import List

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register_portfolio(
    config: str,
    policies: dsl.Input[List[dsl.Model]],
    base_model: dsl.Input[dsl.Model],
    design: dsl.Input[dsl.Artifact],
    selection: dsl.Input[dsl.Artifact],
    registration: dsl.Output[dsl.Artifact],
    snapshot: str = "",
    plan: dsl.Input[dsl.Dataset] = None,
):
    """Record the build in MLflow and register its portfolio under the alias challenger.

    The environment variable PALM_BUILD_ID names the build: a retry with the same one registers nothing twice.

    Args:
        config: The validated configuration, as JSON text.
        snapshot: What the build is made from (detect_change), kept with it; empty: not recorded, and detect_change
            will take the next build for a new one.
        policies: Folders of train_policy.
        base_model: Prepared base model.
        design: JSON file of design_grid.
        selection: JSON file of select_portfolio.
        plan: Folder of plan_training, whose earlier policies may be in the portfolio; may be left out.

    Returns:
        registration: JSON file with model, version, run and aliases.
    """
    from palm.build_record import current_build
    from palm.workers import run_step

    registered = run_step(
        "register_portfolio",
        config,
        current_build(),
        snapshot,
        snapshot=snapshot,
        policies=[item.path for item in policies],
        base_model=base_model.path,
        design=design.path,
        selection=selection.path,
        destination=registration.path,
        **({"plan": plan.path} if plan else {}),
    )
    registration.metadata.update(model=registered["model"], version=registered["version"])
