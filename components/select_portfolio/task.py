"""The work of the component select_portfolio."""

from pathlib import Path

from kfp import dsl

from palm.artifacts.selection import Selection
from palm.builds.reuse import fetched
from palm.components.authoring import write_metrics
from palm.config.resolve import resolve_config
from palm.steps.run import run_step


def run(
    config: str, plan: dsl.Dataset, evaluations: list[list[dict]], selection: dsl.Artifact, metrics: dsl.Metrics
) -> None:
    """Select the portfolio and certify its worst-case gap.

    Args:
        config: The configuration: the address that detect_change gives, or JSON text.
        plan: Folder of design_grid, whose earlier policies are candidates as well.
        evaluations: Output of evaluate_policies for each group. Policies whose training failed are listed in the
            selection; with fewer than training.min_policies left there is no portfolio.

    Returns:
        selection: JSON file with the portfolio, its certificate, the size-gap curve and what is missing.
        metrics: Shown by the Kubeflow UI: the certified gap, its proven lower bound, and how many policies there are.
    """
    resolved = resolve_config(config)
    answers = [answer for group in evaluations for answer in group]
    entries = {answer["policy"]: answer["evaluation"] for answer in answers if "policy" in answer}
    missing = [answer for answer in answers if "error" in answer]
    with fetched(resolved.storage.root, *entries.values()) as folders:
        run_step(
            "select_portfolio",
            resolved,
            missing,
            evaluations=[str(folder) for folder in folders],
            destination=selection.path,
            plan=plan.path,
        )
    chosen = Selection.read(Path(selection.path)).model_copy(update={"evaluations": entries})
    chosen.write(Path(selection.path))
    write_metrics(
        metrics,
        epsilon=chosen.epsilon,
        epsilon_bound=chosen.epsilon_bound,
        additive_gap=chosen.additive_gap,
        portfolio_size=len(chosen.portfolio),
        policies=len(chosen.policies),
        missing=len(missing),
    )
