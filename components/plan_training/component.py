"""Component: which policies are kept, trained on or trained anew."""

from typing import NamedTuple

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def plan_training(
    config: str,
    base_model: dsl.Input[dsl.Model],
    rollouts: dsl.Input[dsl.Dataset],
    design: dsl.Input[dsl.Artifact],
    plan: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    snapshot: str = "",
) -> NamedTuple("Plan", trainings=list):
    """Measure the champion's policies under the present rewards and decide what has to be trained.

    Args:
        config: The validated configuration, as JSON text.
        snapshot: What the build is made from (detect_change): a build of the same inputs as a registered one takes over
            its plan; empty: not compared.
        base_model: Prepared base model.
        rollouts: Scored rollouts of the reference policy.
        design: JSON file of design_grid.

    Returns:
        plan: Folder with plan.json, champion.json and the evaluations of the champion's policies.
        metrics: What the Kubeflow UI shows: how many policies are kept, trained on from earlier ones, trained anew.
        trainings: For each weight vector weights, keep and start, as train_policy takes them.
    """
    from palm.workers import run_step

    planned = run_step(
        "plan_training",
        config,
        snapshot,
        snapshot=snapshot,
        result=("kept", "continued", "anew", "from_version"),
        base_model=base_model.path,
        rollouts=rollouts.path,
        design=design.path,
        destination=plan.path,
    )
    for name in ("kept", "continued", "anew"):
        metrics.log_metric(name, planned[name])
    return (planned["trainings"],)
