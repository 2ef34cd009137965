"""From a resolved configuration to a registered portfolio: the part that all pipelines share."""

from kfp import dsl

from palm.components.design_grid.component import design_grid
from palm.components.evaluate_policies.component import evaluate_policies
from palm.components.register_portfolio.component import register_portfolio
from palm.components.sample_reference.component import sample_reference
from palm.components.select_portfolio.component import select_portfolio
from palm.components.train_policies.component import train_policies
from palm.pipelines.settings import CompileSettings
from palm.pipelines.task_setup import on_gpu, small


def add_build(settings: CompileSettings, *, config, snapshot, resources: dict) -> None:
    """Add the tasks that build, certify, register and judge a portfolio to the pipeline that is being made.

    They are not a pipeline of their own: that would add a pod, and a level in the Kubeflow UI.

    Args:
        settings: what is decided at compile time.
        config: output of detect_change or input of the pipeline.
        snapshot: the same.
        resources: values or inputs of the pipeline for `palm.pipelines.task_setup.on_gpu`, with
            ``training_accelerator_count``.
    """
    training_count = resources["training_accelerator_count"]
    resources = {key: value for key, value in resources.items() if key != "training_accelerator_count"}
    secret = resources["secret"]
    reference = sample_reference(config=config, snapshot=snapshot)
    on_gpu(reference, "Sample reference", settings, **resources)
    designed = design_grid(
        config=config,
        snapshot=snapshot,
        base_model=reference.outputs["base_model"],
        rollouts=reference.outputs["rollouts"],
    )
    on_gpu(designed, "Design grid", settings, **resources)
    # From here on steps take what they need from this one, or the graph would have a line from detect_change to each.
    plan, config, snapshot = (designed.outputs[key] for key in ("plan", "config", "snapshot"))
    # In local runs a loop hands its own item to every task in it that takes the output parameter of an earlier task;
    # artifacts and the pipeline's inputs are handed in as they are. So the item says where the configuration is.
    with dsl.ParallelFor(items=designed.outputs["Output"], parallelism=settings.parallel, name="Policies") as item:
        trained = train_policies(config=item.config, plan=plan, group=item.group)
        on_gpu(
            trained,
            "Train policies",
            settings,
            **{**resources, "accelerator_count": training_count},
        )
        evaluated = evaluate_policies(config=item.config, plan=plan, policies=trained.outputs["Output"])
        on_gpu(evaluated, "Evaluate policies", settings, **resources)
    selected = select_portfolio(config=config, plan=plan, evaluations=dsl.Collected(evaluated.outputs["Output"]))
    small(selected, "Select portfolio", settings, secret=secret)
    registered = register_portfolio(
        config=config, snapshot=snapshot, plan=plan, selection=selected.outputs["selection"]
    )
    small(registered, "Register and promote", settings, secret=secret)
