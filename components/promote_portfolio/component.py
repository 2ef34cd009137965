"""Component: the gate before the alias champion."""

from typing import List

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def promote_portfolio(
    config: str,
    registration: dsl.Input[dsl.Artifact],
    selection: dsl.Input[dsl.Artifact],
    evaluations: dsl.Input[List[dsl.Dataset]],
    plan: dsl.Input[dsl.Dataset],
    verdict: dsl.Output[dsl.Artifact],
    gate: dsl.Output[dsl.Markdown],
):
    """Promote the registered portfolio if it passes the gate: worst-case gap, loss of any preference, guards, metrics.

    The environment variable PALM_BUILD_ID names the build: the promotion log says who promoted.

    Args:
        config: The validated configuration, as JSON text.
        registration: JSON file of register_portfolio.
        selection: JSON file of select_portfolio.
        evaluations: Folders of evaluate_policy.
        plan: Folder of plan_training, with the champion's policies under the present rewards.

    Returns:
        verdict: JSON file with the decision and its reason.
        gate: What the Kubeflow UI shows: the decision, its reason and its figures.
    """
    from palm.build_record import current_build
    from palm.workers import run_step

    judged = run_step(
        "promote_portfolio",
        config,
        current_build(),
        result=("promoted", "reason", "version"),
        registration=registration.path,
        selection=selection.path,
        evaluations=[item.path for item in evaluations],
        plan=plan.path,
        destination=verdict.path,
        page=gate.path,
    )
    verdict.metadata.update(promoted=judged["promoted"], reason=judged["reason"])
