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
):
    """Select the portfolio and certify its worst-case gap.

    Args:
        config: The validated configuration, as JSON text.
        evaluations: Folders of evaluate_policy.
        selection: JSON file with the portfolio, its certificate and the size-gap curve.
        metrics: What the Kubeflow UI shows: the certified gap and its proven lower bound.
    """
    from pathlib import Path

    from palm.config_file import parse_config
    from palm.stages.select_portfolio import select_portfolio as step

    result = step(parse_config(config), [Path(item.path) for item in evaluations], Path(selection.path))
    for name in ("epsilon", "epsilon_bound", "additive_gap"):
        metrics.log_metric(name, result[name])
