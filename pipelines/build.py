"""From a resolved configuration to a registered portfolio: the part that all pipelines share."""

from typing import Callable

from kfp import dsl

from components.design_grid.component import design_grid
from components.evaluate_policies.component import evaluate_policies
from components.register_portfolio.component import register_portfolio
from components.sample_reference.component import sample_reference
from components.select_portfolio.component import select_portfolio
from components.train_policies.component import train_policies
from pipelines.settings import CompileSettings
from pipelines.task_setup import on_gpu, small


def make_build(settings: CompileSettings) -> Callable:
    """The pipeline that builds, certifies, registers and judges a portfolio.

    Args:
        settings: what is decided at compile time.

    Returns:
        The pipeline.
    """

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
        reference = sample_reference(config=config, snapshot=snapshot)
        on_gpu(reference, "Sample reference", settings, **resources)
        designed = design_grid(
            config=config,
            snapshot=snapshot,
            base_model=reference.outputs["base_model"],
            rollouts=reference.outputs["rollouts"],
        )
        on_gpu(designed, "Design grid", settings, **resources)
        plan = designed.outputs["plan"]
        # In local runs a loop hands its own item to every task in it that takes the output parameter of an earlier
        # task; artifacts and the pipeline's inputs are handed in as they are.
        with dsl.ParallelFor(items=designed.outputs["Output"], parallelism=settings.parallel, name="Policies") as group:
            trained = train_policies(config=config, plan=plan, group=group)
            on_gpu(
                trained,
                "Train policies",
                settings,
                **{**resources, "accelerator_count": training_accelerator_count},
            )
            evaluated = evaluate_policies(config=config, plan=plan, policies=trained.outputs["Output"])
            on_gpu(evaluated, "Evaluate policies", settings, **resources)
        selected = select_portfolio(config=config, plan=plan, evaluations=dsl.Collected(evaluated.outputs["Output"]))
        small(selected, "Select portfolio", settings, secret=secret)
        registered = register_portfolio(
            config=config, snapshot=snapshot, plan=plan, selection=selected.outputs["selection"]
        )
        small(registered, "Register and promote", settings, secret=secret)

    return build
