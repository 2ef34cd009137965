"""Pipeline: configuration in, certified and registered portfolio out."""

from typing import List, NamedTuple

from kfp import dsl

from components.design_grid.component import design_grid
from components.evaluate_policy.component import evaluate_policy
from components.prepare_base_model.component import prepare_base_model
from components.promote_portfolio.component import promote_portfolio
from components.register_portfolio.component import register_portfolio
from components.report.component import report
from components.sample_reference.component import sample_reference
from components.select_portfolio.component import select_portfolio
from components.train_policy.component import train_policy

Policies = NamedTuple("Policies", policies=List[dsl.Model], evaluations=List[dsl.Dataset])
Build = NamedTuple("Build", page=dsl.HTML, summary=dsl.Artifact)


# A pipeline of its own: inside a loop, the output parameter of an earlier task would be replaced by the loop's item
# in local runs, while inputs of a nested pipeline keep their value.
@dsl.pipeline(name="train-and-evaluate", description="One policy per vector of preference weights, in parallel.")
def train_and_evaluate(
    config: str, weights: list, base_model: dsl.Input[dsl.Model], rollouts: dsl.Input[dsl.Dataset]
) -> Policies:
    """Train and evaluate one policy per vector of preference weights.

    Args:
        config: The validated configuration, as JSON text.
        weights: The vectors of preference weights.
        base_model: Prepared base model.
        rollouts: Scored rollouts of the reference policy.

    Returns:
        The policies and their evaluations.
    """
    with dsl.ParallelFor(items=weights) as preference_weights:
        trained = train_policy(
            config=config, preference_weights=preference_weights, base_model=base_model, rollouts=rollouts
        ).set_caching_options(False)
        evaluated = evaluate_policy(
            config=config, policy=trained.outputs["policy"], base_model=base_model, rollouts=rollouts
        ).set_caching_options(False)
    return Policies(dsl.Collected(trained.outputs["policy"]), dsl.Collected(evaluated.outputs["evaluation"]))


@dsl.pipeline(name="train-corners", description="The policies of single rewards, which soups are made from.")
def train_corners(config: str, weights: list, base_model: dsl.Input[dsl.Model], rollouts: dsl.Input[dsl.Dataset]):
    """Train the corner policies into the store; the soups find them there.

    Args:
        config: The validated configuration, as JSON text.
        weights: Unit vectors of preference weights; may be empty.
        base_model: Prepared base model.
        rollouts: Scored rollouts of the reference policy.
    """
    with dsl.ParallelFor(items=weights) as preference_weights:
        train_policy(
            config=config, preference_weights=preference_weights, base_model=base_model, rollouts=rollouts
        ).set_caching_options(False)


# KFP's own caching is off everywhere: it compares inputs as text and would miss an edited reward or prompt file. The
# store reuses finished work by the content of all that it depends on.
@dsl.pipeline(name="build-portfolio", description="Trains, certifies, registers and promotes a portfolio of policies.")
def build_portfolio(config: str) -> Build:
    """Build a portfolio.

    Args:
        config: The validated configuration, as JSON text.

    Returns:
        The report and its data.
    """
    base = prepare_base_model(config=config).set_caching_options(False)
    base_model = base.outputs["base_model"]
    reference = sample_reference(config=config, base_model=base_model).set_caching_options(False)
    rollouts = reference.outputs["rollouts"]
    grid = design_grid(config=config, rollouts=rollouts).set_caching_options(False)
    corners = train_corners(config=config, weights=grid.outputs["corners"], base_model=base_model, rollouts=rollouts)
    policies = train_and_evaluate(
        config=config, weights=grid.outputs["weights"], base_model=base_model, rollouts=rollouts
    ).after(corners)
    selected = select_portfolio(config=config, evaluations=policies.outputs["evaluations"]).set_caching_options(False)
    registered = register_portfolio(
        config=config,
        build_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        policies=policies.outputs["policies"],
        base_model=base_model,
        design=grid.outputs["design"],
        selection=selected.outputs["selection"],
    ).set_caching_options(False)
    judged = promote_portfolio(
        config=config, registration=registered.outputs["registration"], selection=selected.outputs["selection"]
    ).set_caching_options(False)
    reported = report(
        config=config,
        build_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        design=grid.outputs["design"],
        rollouts=rollouts,
        policies=policies.outputs["policies"],
        evaluations=policies.outputs["evaluations"],
        selection=selected.outputs["selection"],
        registration=registered.outputs["registration"],
        verdict=judged.outputs["verdict"],
    ).set_caching_options(False)
    return Build(reported.outputs["page"], reported.outputs["summary"])
