"""Pipeline of your own: your trainer between PALM's grid and PALM's certificate."""

from typing import NamedTuple

from best_of_n import best_of_n
from kfp import dsl

from palm.components.design_grid.component import design_grid
from palm.components.evaluate_policies.component import evaluate_policies
from palm.components.sample_reference.component import sample_reference
from palm.components.select_portfolio.component import select_portfolio

Certified = NamedTuple("Certified", selection=dsl.Artifact, metrics=dsl.Metrics)


@dsl.pipeline(name="own-trainer")
def own_trainer(config: str) -> Certified:
    """Certify a portfolio of policies from your own trainer.

    Args:
        config: The configuration: JSON text, or the address of a file.

    Returns:
        selection: The portfolio and its certificate.
        metrics: The certified gap.
    """
    reference = sample_reference(config=config)
    designed = design_grid(
        config=config, base_model=reference.outputs["base_model"], rollouts=reference.outputs["rollouts"]
    )
    plan = designed.outputs["plan"]
    with dsl.ParallelFor(items=designed.outputs["Output"]) as item:
        trained = best_of_n(config=config, plan=plan, group=item.group)
        measured = evaluate_policies(config=config, plan=plan, policies=trained.output)
    selected = select_portfolio(config=config, plan=plan, evaluations=dsl.Collected(measured.outputs["Output"]))
    return Certified(selected.outputs["selection"], selected.outputs["metrics"])
