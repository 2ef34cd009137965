"""Component: the policies that make the portfolio."""

from typing import List

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def select_portfolio(
    config: str,
    evaluations: dsl.Input[List[dsl.Dataset]],
    selection: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    plan: dsl.Input[dsl.Dataset] = None,
):
    """Select the portfolio and certify its worst-case gap.

    Args:
        config: The validated configuration, as JSON text.
        evaluations: Folders of evaluate_policy.
        plan: Folder of plan_training, whose earlier policies are candidates as well; may be left out.

    Returns:
        selection: JSON file with the portfolio, its certificate and the size-gap curve.
        metrics: What the Kubeflow UI shows: the certified gap, its proven lower bound, and how many policies there are.
    """
    from palm.workers import run_step

    chosen = run_step(
        "select_portfolio",
        config,
        evaluations=[item.path for item in evaluations],
        destination=selection.path,
        **({"plan": plan.path} if plan else {}),
    )
    for name in ("epsilon", "epsilon_bound", "additive_gap"):
        metrics.log_metric(name, chosen[name])
    metrics.log_metric("portfolio_size", len(chosen["portfolio"]))
    metrics.log_metric("policies", len(chosen["policies"]))
