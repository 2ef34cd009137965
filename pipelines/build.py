"""From a resolved configuration to a registered portfolio: the part that all pipelines share."""

from typing import Callable, List, NamedTuple

from kfp import dsl

from components.design_grid.component import design_grid
from components.evaluate_policy.component import evaluate_policy
from components.plan_training.component import plan_training
from components.prepare_base_model.component import prepare_base_model
from components.promote_portfolio.component import promote_portfolio
from components.register_portfolio.component import register_portfolio
from components.report.component import report
from components.sample_reference.component import sample_reference
from components.select_portfolio.component import select_portfolio
from components.train_policy.component import train_policy
from pipelines.settings import CompileSettings
from pipelines.task_setup import on_gpu, small

Policies = NamedTuple("Policies", policies=List[dsl.Model], evaluations=List[dsl.Dataset])


# The loops are pipelines of their own: inside a loop, the output parameter of an earlier task would be replaced by the
# loop's item in local runs, while inputs of a nested pipeline keep their value.
def make_train_and_evaluate(settings: CompileSettings) -> Callable:
    """The pipeline that trains and evaluates the policies, so many at once as the settings say.

    Args:
        settings: what is decided at compile time.

    Returns:
        The pipeline.
    """

    @dsl.pipeline(name="train-and-evaluate", description="One policy per vector of preference weights, in parallel.")
    def train_and_evaluate(
        config: str,
        trainings: list,
        base_model: dsl.Input[dsl.Model],
        rollouts: dsl.Input[dsl.Dataset],
        accelerator: str,
        accelerator_count: str,
        training_accelerator_count: str,
        cpu: str,
        memory: str,
        node_selector: dict,
        tolerations: list,
        secret: str,
    ) -> Policies:
        resources = {
            "accelerator": accelerator,
            "accelerator_count": accelerator_count,
            "cpu": cpu,
            "memory": memory,
            "node_selector": node_selector,
            "tolerations": tolerations,
            "secret": secret,
        }
        with dsl.ParallelFor(items=trainings, parallelism=settings.parallel, name="policies") as training:
            trained = train_policy(
                config=config,
                preference_weights=training.weights,
                keep=training.keep,
                start=training.start,
                base_model=base_model,
                rollouts=rollouts,
            )
            on_gpu(trained, "Train policy", settings, **{**resources, "accelerator_count": training_accelerator_count})
            evaluated = evaluate_policy(
                config=config, policy=trained.outputs["policy"], base_model=base_model, rollouts=rollouts
            )
            on_gpu(evaluated, "Evaluate policy", settings, **resources)
        return Policies(dsl.Collected(trained.outputs["policy"]), dsl.Collected(evaluated.outputs["evaluation"]))

    return train_and_evaluate


def make_train_corners(settings: CompileSettings) -> Callable:
    """The pipeline that trains the policies of single rewards, which soups are made from and find in the store.

    Args:
        settings: what is decided at compile time.

    Returns:
        The pipeline.
    """

    @dsl.pipeline(name="train-corners", description="The policies of single rewards, which soups are made from.")
    def train_corners(
        config: str,
        weights: list,
        base_model: dsl.Input[dsl.Model],
        rollouts: dsl.Input[dsl.Dataset],
        accelerator: str,
        training_accelerator_count: str,
        cpu: str,
        memory: str,
        node_selector: dict,
        tolerations: list,
        secret: str,
    ):
        with dsl.ParallelFor(items=weights, parallelism=settings.parallel, name="corners") as preference_weights:
            trained = train_policy(
                config=config, preference_weights=preference_weights, base_model=base_model, rollouts=rollouts
            )
            on_gpu(
                trained,
                "Train corner policy",
                settings,
                accelerator=accelerator,
                accelerator_count=training_accelerator_count,
                cpu=cpu,
                memory=memory,
                node_selector=node_selector,
                tolerations=tolerations,
                secret=secret,
            )

    return train_corners


def make_build(settings: CompileSettings) -> Callable:
    """The pipeline that builds, certifies, registers and judges a portfolio.

    Args:
        settings: what is decided at compile time.

    Returns:
        The pipeline.
    """
    train_and_evaluate, train_corners = make_train_and_evaluate(settings), make_train_corners(settings)

    @dsl.pipeline(name="build", description="Trains, certifies, registers and judges a portfolio.")
    def build(
        config: str,
        snapshot: str,
        accelerator: str,
        accelerator_count: str,
        training_accelerator_count: str,
        cpu: str,
        memory: str,
        node_selector: dict,
        tolerations: list,
        secret: str,
    ):
        resources = {
            "accelerator": accelerator,
            "accelerator_count": accelerator_count,
            "cpu": cpu,
            "memory": memory,
            "node_selector": node_selector,
            "tolerations": tolerations,
            "secret": secret,
        }
        base = prepare_base_model(config=config, snapshot=snapshot)
        small(base, "Prepare base model", settings, secret=secret, cached=True)
        base_model = base.outputs["base_model"]
        reference = sample_reference(config=config, snapshot=snapshot, base_model=base_model)
        on_gpu(reference, "Sample reference", settings, **resources)
        rollouts = reference.outputs["rollouts"]
        grid = design_grid(config=config, rollouts=rollouts)
        small(grid, "Design grid", settings, secret=secret, cached=True)
        design = grid.outputs["design"]
        shared = {
            "config": config,
            "base_model": base_model,
            "rollouts": rollouts,
            "training_accelerator_count": training_accelerator_count,
            **resources,
        }
        planned = plan_training(
            config=config, snapshot=snapshot, base_model=base_model, rollouts=rollouts, design=design
        )
        on_gpu(planned, "Plan training", settings, cached=False, **resources)
        plan = planned.outputs["plan"]
        policies = train_and_evaluate(trainings=planned.outputs["trainings"], **shared).set_display_name("Policies")
        del shared["accelerator_count"]
        corners = train_corners(weights=grid.outputs["corners"], **shared).set_display_name("Corner policies")
        policies.after(corners)
        evaluations = policies.outputs["evaluations"]
        selected = select_portfolio(config=config, evaluations=evaluations, plan=plan)
        small(selected, "Select portfolio", settings, secret=secret, cached=True)
        selection = selected.outputs["selection"]
        registered = register_portfolio(
            config=config,
            snapshot=snapshot,
            policies=policies.outputs["policies"],
            base_model=base_model,
            design=design,
            selection=selection,
            plan=plan,
        )
        small(registered, "Register portfolio", settings, secret=secret, cached=False)
        registration = registered.outputs["registration"]
        judged = promote_portfolio(
            config=config, registration=registration, selection=selection, evaluations=evaluations, plan=plan
        )
        small(judged, "Promote portfolio", settings, secret=secret, cached=False)
        reported = report(
            config=config,
            design=design,
            rollouts=rollouts,
            policies=policies.outputs["policies"],
            evaluations=evaluations,
            selection=selection,
            registration=registration,
            verdict=judged.outputs["verdict"],
            plan=plan,
        )
        small(reported, "Report", settings, secret=secret, cached=False)

    return build
