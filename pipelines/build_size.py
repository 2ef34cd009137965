"""Size of the workflow of a build, and the refusal of builds that Kubeflow Pipelines could not keep."""

from pathlib import Path

import numpy as np

from palm.artifacts.plan import Group, Training
from palm.builds.checks.policy_count import most_policies
from palm.builds.training_groups import MOST_TASKS, group_size, grouped
from palm.config.portfolio import PortfolioConfig
from palm.config.resolve import LONGEST_ADDRESS
from palm.errors import ConfigError
from palm.pipelines.compiled import CompiledPipeline, read_pipeline
from palm.pipelines.workflow_nodes import Answers
from palm.pipelines.workflow_size import LIMIT_BYTES, WorkflowSize, workflow_size
from palm.storage.digest import value_digest
from palm.storage.s3_settings import with_s3_settings

_LARGER_PIPELINE = Path(__file__).parent / "rebuild_on_change" / "pipeline.yaml"
"""It has the tasks of build_portfolio in two more groups. The section cluster changes a size by 3 % at most."""

_ENOUGH_TASKS = 128
"""Training tasks that are too many in any case; more are not written out."""


def build_size(
    pipeline: CompiledPipeline, policies: int, *, objectives: int = 3, together: int | None = None
) -> WorkflowSize:
    """Estimate the workflow of a build in which all tasks succeed, with addresses as long as they may be."""
    weights = np.random.default_rng(0).dirichlet(np.ones(objectives), size=policies).tolist()
    groups = grouped([Training(weights=vector) for vector in weights], together)
    address = with_s3_settings("s3://".ljust(LONGEST_ADDRESS, "x"))
    return workflow_size(pipeline, {"config": address}, _answers(groups, address))


def check_build_size(config: PortfolioConfig) -> None:
    """Refuse a build whose workflow Kubeflow Pipelines could not keep: it has too many training tasks."""
    policies, together = most_policies(config), config.training.together
    size = group_size(policies, together)
    written_out = min(policies, _ENOUGH_TASKS * size)
    estimate = build_size(read_pipeline(_LARGER_PIPELINE), written_out, objectives=len(config.rewards), together=size)
    if estimate.object <= LIMIT_BYTES:
        return
    tasks = -(-policies // size)
    raise ConfigError(
        f"training.together={together if together else 'unset'}, {policies} policies",
        rule=f"{tasks} training tasks make a workflow of {'over ' if written_out < policies else ''}"
        f"{estimate.object / 1000:.0f} kB; the limit is {LIMIT_BYTES / 1000:.0f} kB",
        remedy=f"raise training.together, or leave it out: then there are at most {MOST_TASKS} tasks"
        if size < group_size(policies, None)
        else "raise training.together, or train fewer policies",
    )


def _answers(groups: tuple[Group, ...], address: str) -> Answers:
    """Outputs of the tasks of a build: names of entries in the storage, and the weights that they are for."""

    trainings = {group.name: group.trainings for group in groups}

    def trained(given: dict) -> dict:
        weights = [list(training.weights) for training in trainings[given["group"]]]
        return {"Output": [{"policy": _name("policy", vector), "weights": vector, "error": ""} for vector in weights]}

    def evaluated(given: dict) -> dict:
        return {
            "Output": [
                {"policy": entry["policy"], "evaluation": _name("evaluation", entry["weights"])}
                for entry in given["policies"]
            ]
        }

    places = {"config": address, "snapshot": address}
    return {
        "detect-change": lambda given: {**places, "changed": True},
        "design-grid": lambda given: {**places, "Output": [{"group": name, "config": address} for name in trainings]},
        "train-policies": trained,
        "evaluate-policies": evaluated,
    }


def _name(kind: str, of: list) -> str:
    return f"{kind}-{value_digest(of)[:12]}"
