"""A pipeline of your own: your trainer between PALM's grid and PALM's certificate."""

from typing import List, NamedTuple

from best_of_n import best_of_n
from kfp import dsl

from components.design_grid.component import design_grid
from components.evaluate_policy.component import evaluate_policy
from components.prepare_base_model.component import prepare_base_model
from components.sample_reference.component import sample_reference
from components.select_portfolio.component import select_portfolio

Certified = NamedTuple("Certified", evaluations=List[dsl.Dataset], selection=dsl.Artifact, metrics=dsl.Metrics)


@dsl.pipeline(name="train-and-measure")
def train_and_measure(
    config: str, weights: list, base_model: dsl.Input[dsl.Model], rollouts: dsl.Input[dsl.Dataset]
) -> List[dsl.Dataset]:
    """Train one policy per vector of preference weights with your trainer, and measure it with PALM.

    Args:
        config: The configuration, as JSON text.
        weights: The vectors of preference weights.
        base_model: Folder of prepare_base_model.
        rollouts: Folder of sample_reference.
    """
    with dsl.ParallelFor(items=weights) as preference_weights:
        trained = best_of_n(preference_weights=preference_weights, base_model=base_model, rollouts=rollouts)
        measured = evaluate_policy(
            config=config, policy=trained.outputs["policy"], base_model=base_model, rollouts=rollouts
        )
    return dsl.Collected(measured.outputs["evaluation"])


@dsl.pipeline(name="own-trainer")
def own_trainer(config: str) -> Certified:
    """Certify the portfolio that your own trainer gives.

    Args:
        config: The configuration, as JSON text.

    Returns:
        evaluations: Folders of evaluate_policy.
        selection: The portfolio and its certificate.
        metrics: The certified gap.
    """
    base_model = prepare_base_model(config=config).outputs["base_model"]
    rollouts = sample_reference(config=config, base_model=base_model).outputs["rollouts"]
    grid = design_grid(config=config, rollouts=rollouts)
    # A pipeline of its own: within the loop, KFP's local runner would take the grid's output for the loop's item.
    evaluations = train_and_measure(
        config=config, weights=grid.outputs["weights"], base_model=base_model, rollouts=rollouts
    ).output
    selected = select_portfolio(config=config, evaluations=evaluations)
    return Certified(evaluations, selected.outputs["selection"], selected.outputs["metrics"])
