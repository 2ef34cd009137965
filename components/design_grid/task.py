"""The work of the component design_grid."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from kfp import dsl

from palm.builds.reuse import fetched
from palm.builds.training_groups import Work, grouped, write_work
from palm.components.authoring import write_metrics
from palm.config.resolve import read_snapshot, resolve_config
from palm.progress import weights_label
from palm.steps.design_grid import FILE as DESIGN
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
        snapshot: What the build is made from (detect_change): a build of the same inputs as a registered one takes over
            its plan; empty: not compared.

    Returns:
        plan: Folder with the design and its certificate, the plan, and the evaluations of the champion's policies.
        metrics: What the Kubeflow UI shows: how many policies are kept, fine-tuned and trained from the base model.
        Output: The groups of policies, one per training task: each group's name, and the configuration that was given.
        config: The configuration that was given: in the graph, steps after this one hang on it alone.
        snapshot: The snapshot that was given.
    """
    resolved, made_from = resolve_config(config), read_snapshot(snapshot)
    with fetched(resolved.storage.root, base_model, rollouts) as (base, sampled), TemporaryDirectory() as scratch:
        design = Path(scratch) / DESIGN
        given = {"base_model": str(base), "rollouts": str(sampled)}
        grid = run_step(
            "design_grid", resolved, result=("weights",), rollouts=given["rollouts"], destination=str(design)
        )
        planned = run_step(
            "plan_training",
            resolved,
            made_from,
            snapshot=made_from,
            result=("kept", "continued", "anew", "from_version"),
            design=str(design),
            destination=plan.path,
            **given,
        )
        shutil.copyfile(design, Path(plan.path) / DESIGN)
        for index, corner in enumerate(grid["corners"]):
            run_step(
                "train_policy",
                resolved,
                corner,
                "",
                "",
                label=weights_label(corner),
                weights=corner,
                result=("policy", "weights", "reused", "start", "device_seconds", "guard"),
                destination=f"{scratch}/corner-{index}",
                **given,
            )
    work = Work(base_model, rollouts, grouped(planned["trainings"], resolved.training.together))
    write_work(Path(plan.path), work)
    write_metrics(metrics, **{name: planned[name] for name in ("kept", "continued", "anew")})
    return [{"group": name, "config": config} for name in work.groups], config, snapshot
