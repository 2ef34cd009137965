"""Component: one page about the build."""

from typing import List

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def report(
    config: str,
    design: dsl.Input[dsl.Artifact],
    rollouts: dsl.Input[dsl.Dataset],
    policies: dsl.Input[List[dsl.Model]],
    evaluations: dsl.Input[List[dsl.Dataset]],
    selection: dsl.Input[dsl.Artifact],
    registration: dsl.Input[dsl.Artifact],
    verdict: dsl.Input[dsl.Artifact],
    plan: dsl.Input[dsl.Dataset],
    page: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Artifact],
):
    """Write the page that the Kubeflow UI shows, and its data; both are kept in MLflow as well.

    The environment variable PALM_BUILD_ID names the build.

    Args:
        config: The validated configuration, as JSON text.
        design: JSON file of design_grid.
        rollouts: Folder of sample_reference.
        policies: Folders of train_policy.
        evaluations: Folders of evaluate_policy.
        selection: JSON file of select_portfolio.
        registration: JSON file of register_portfolio.
        verdict: JSON file of promote_portfolio.
        plan: Folder of plan_training.

    Returns:
        page: Self-contained HTML page.
        summary: JSON file with everything that the page shows.
    """
    from palm.build_record import current_build
    from palm.workers import run_step

    run_step(
        "report",
        config,
        current_build(),
        result=("trained", "continued", "reused", "device_seconds", "device_seconds_saved"),
        design=design.path,
        rollouts=rollouts.path,
        policies=[item.path for item in policies],
        evaluations=[item.path for item in evaluations],
        selection=selection.path,
        registration=registration.path,
        verdict=verdict.path,
        plan=plan.path,
        page=page.path,
        summary=summary.path,
    )
