"""Tasks that all pipelines share: from a resolved configuration to a registered portfolio."""

from kfp import dsl

from palm.components.design_grid.component import design_grid
from palm.components.evaluate_policies.component import evaluate_policies
from palm.components.register_portfolio.component import register_portfolio
from palm.components.sample_reference.component import sample_reference
from palm.components.select_portfolio.component import select_portfolio
from palm.components.train_policies.component import train_policies
from palm.config.cluster import Cluster
from palm.pipelines.task_setup import on_gpu, small


def add_build(cluster: Cluster, *, config, snapshot) -> None:
    """Add the tasks that build, certify, register and judge a portfolio to the pipeline in whose context it is called.

    They are not a pipeline of their own: that would add a pod, and a level in the Kubeflow UI. Configuration and
    snapshot are outputs of detect_change or inputs of the pipeline.
    """
    reference = sample_reference(config=config, snapshot=snapshot)
    on_gpu(reference, "Sample reference", cluster, cluster.tasks)
    designed = design_grid(
        config=config,
        snapshot=snapshot,
        base_model=reference.outputs["base_model"],
        rollouts=reference.outputs["rollouts"],
    )
    on_gpu(designed, "Design grid", cluster, cluster.tasks)
    # Later tasks take their inputs from this one, or the graph would have an edge from detect_change to each.
    plan, config, snapshot = (designed.outputs[key] for key in ("plan", "config", "snapshot"))
    # In local runs every task in a loop that takes the output parameter of an earlier task is given the loop's item
    # instead; artifacts and the pipeline's inputs are passed unchanged. So the item holds the configuration's address.
    with dsl.ParallelFor(items=designed.outputs["Output"], parallelism=cluster.parallel, name="Policies") as item:
        trained = train_policies(config=item.config, plan=plan, group=item.group)
        on_gpu(trained, "Train policies", cluster, cluster.training)
        evaluated = evaluate_policies(config=item.config, plan=plan, policies=trained.outputs["Output"])
        on_gpu(evaluated, "Evaluate policies", cluster, cluster.tasks)
    selected = select_portfolio(config=config, plan=plan, evaluations=dsl.Collected(evaluated.outputs["Output"]))
    small(selected, "Select portfolio", cluster)
    registered = register_portfolio(
        config=config, snapshot=snapshot, plan=plan, selection=selected.outputs["selection"]
    )
    small(registered, "Register and promote", cluster)
