"""The work of the component select_portfolio."""

from pathlib import Path

from kfp import dsl

from palm.builds.reuse import fetched
from palm.components.authoring import write_metrics
from palm.config.resolve import resolve_config
from palm.steps.run import run_step
from palm.storage.files import write_json


def run(
    config: str,
    plan: dsl.Dataset,
    evaluations: list[list[dict]],
    selection: dsl.Artifact,
    metrics: dsl.Metrics,
) -> None:
    """Select the portfolio and certify its worst-case gap.

    Args:
        config: The configuration: the address that detect_change gives, or JSON text.
        plan: Folder of design_grid, whose earlier policies are candidates as well.
        evaluations: What evaluate_policies gives for each group. Policies whose training failed are named in the
            selection; with fewer than training.min_policies left there is no portfolio.

    Returns:
        selection: JSON file with the portfolio, its certificate, the size-gap curve and what is missing.
        metrics: What the Kubeflow UI shows: the certified gap, its proven lower bound, and how many policies there are.
    """
    resolved = resolve_config(config)
    answers = [answer for group in evaluations for answer in group]
    entries = {answer["policy"]: answer["evaluation"] for answer in answers if "policy" in answer}
    missing = [answer for answer in answers if "error" in answer]
    with fetched(resolved.storage.root, *entries.values()) as folders:
        chosen = run_step(
            "select_portfolio",
            resolved,
            missing,
            evaluations=[str(folder) for folder in folders],
            destination=selection.path,
            plan=plan.path,
        )
    write_json(Path(selection.path), {**chosen, "evaluations": entries})
    shown = {name: chosen[name] for name in ("epsilon", "epsilon_bound", "additive_gap")}
    write_metrics(
        metrics,
        **shown,
        portfolio_size=len(chosen["portfolio"]),
        policies=len(chosen["policies"]),
        missing=len(missing),
    )
