"""The work of the component design_grid."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from kfp import dsl

from palm.artifacts.design import Design
from palm.artifacts.plan import Plan, Training, Work
from palm.builds.reuse import fetched
from palm.builds.training_groups import grouped
from palm.components.authoring import write_metrics
from palm.components.train_policies.task import train
from palm.config.resolve import read_snapshot, resolve_config
from palm.steps.design_grid import corner_weights
from palm.steps.run import run_step


def run(
    config: str, base_model: str, rollouts: str, plan: dsl.Dataset, metrics: dsl.Metrics, snapshot: str
) -> tuple[list[dict], str, str]:
    """Design the grid of preference weights, certify its coverage, and plan how each policy is obtained.

    The champion's policies are measured under the present rewards: a policy is reused, fine-tuned from an earlier one,
    or trained from the base model. The corner policies that soups interpolate are trained here.

    Args:
        config: The configuration: the address that detect_change gives, or JSON text.
        base_model: Name of the base model in the storage (sample_reference).
        rollouts: Name of the reference policy's rollouts in the storage (sample_reference); strategy `predicted`
            chooses from them.
        snapshot: Inputs of the build (detect_change): a build of the same inputs as a registered one adopts its plan;
            empty: not compared.

    Returns:
        plan: Folder with the design and its certificate, the plan, and the evaluations of the champion's policies.
        metrics: Shown by the Kubeflow UI: how many policies are kept, fine-tuned and trained from the base model.
        Output: The groups of policies, one per training task: each group's name, and the configuration that was given.
        config: The configuration that was given: in the graph, steps after this one hang on it alone.
        snapshot: The snapshot that was given.
    """
    resolved, made_from = resolve_config(config), read_snapshot(snapshot)
    with fetched(resolved.storage.root, base_model, rollouts) as (base, sampled), TemporaryDirectory() as scratch:
        design = f"{scratch}/{Design.FILE}"
        given = {"base_model": str(base), "rollouts": str(sampled)}
        run_step("design_grid", resolved, result=("weights",), rollouts=given["rollouts"], destination=design)
        planned = run_step(
            "plan_training",
            resolved,
            made_from,
            snapshot=made_from,
            result=("kept", "continued", "from_base", "from_version"),
            design=design,
            destination=plan.path,
            **given,
        )
        shutil.copy(design, plan.path)
        for corner in corner_weights(resolved):
            train(resolved, Training(weights=corner), given)
    folder = Path(plan.path)
    groups = grouped(Plan.read(folder).trainings, resolved.training.together)
    Work(base_model=base_model, rollouts=rollouts, groups=groups).write(folder)
    write_metrics(metrics, **{name: planned[name] for name in ("kept", "continued", "from_base")})
    return [{"group": group.name, "config": config} for group in groups], config, snapshot
