"""Submission of a run, and waiting for its end."""

import importlib.util
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from palm.builds.checks.design import check_design
from palm.builds.inputs import check_data
from palm.cluster.kfp.connection import Connection
from palm.cluster.kfp.failure import Diagnosis, state_in_words
from palm.cluster.kfp.input_files import check_places, publish_inputs
from palm.cluster.kfp.run_references import (
    EXPERIMENT,
    PipelineVersion,
    ensure_experiment,
    plugins_input,
    publish_pipeline,
)
from palm.cluster.kfp.runs import ENDED
from palm.config.portfolio import PortfolioConfig
from palm.config.resolve import publish_config
from palm.errors import ClusterError
from palm.pipelines.build_size import check_build_size

_LOST_ANSWERS = 5
"""Failed requests in a row after which a run is no longer followed; a restarting server loses a few."""


@dataclass(frozen=True)
class Submission:
    """A run that was started, the link to its page, and what it runs."""

    run_id: str
    name: str
    link: str
    version: PipelineVersion


def check_submission(config: PortfolioConfig, *, try_inputs: bool) -> None:
    """Check what would make a run fail late.

    Args:
        try_inputs: read the prompts and try the rewards on this machine.
    """
    check_places(config)
    check_gpus(config)
    check_design(config)
    check_build_size(config)
    if not try_inputs:
        return
    if importlib.util.find_spec("torch") is None:
        raise ClusterError(
            "prompts and rewards",
            rule="cannot be tried here (palm's extra `train` is not installed)",
            remedy="pip install 'palm-portfolio[train]', or submit with --no-validate",
        )
    check_data(config)


def check_gpus(config: PortfolioConfig) -> None:
    """Check that a task that trains gets the GPUs that it uses; without GPUs all is allowed."""
    training, gpus = config.training, config.cluster.training.gpus
    if training.launcher == "trainjob" and gpus:
        raise ClusterError(
            f"cluster.training.gpus={gpus}",
            rule="would be idle: with training.launcher=trainjob the nodes of TrainJobs train",
            remedy="set it to 0",
        )
    if training.launcher == "pod" and gpus and gpus != training.processes:
        raise ClusterError(
            f"cluster.training.gpus={gpus}",
            rule=f"must be training.processes={training.processes}, each of which takes one",
            remedy="set them to the same number",
        )
    trains_corners = training.launcher == "pod" and "soup" in training.backends
    if trains_corners and 0 < config.cluster.tasks.gpus < training.processes:
        raise ClusterError(
            f"cluster.tasks.gpus={config.cluster.tasks.gpus}",
            rule=f"must be at least training.processes={training.processes}: the task that designs the grid trains the "
            "corner policies of soups",
            remedy="raise it",
        )


def submit(
    connection: Connection,
    config: PortfolioConfig,
    *,
    pipeline: str,
    experiment: str = EXPERIMENT,
    kfp_mlflow: str | None = None,
) -> Submission:
    """Start a run of a pipeline, with all that it needs uploaded.

    Args:
        pipeline: ``build_portfolio`` or ``rebuild_on_change``.
        experiment: name of the experiment in Kubeflow Pipelines; created if missing.
        kfp_mlflow: as in `palm.cluster.kfp.run_references.plugins_input`.
    """
    parameters = {"config": publish_config(publish_inputs(config))}
    version = publish_pipeline(connection, pipeline, config.cluster)
    name = f"{config.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    experiment_id = ensure_experiment(connection, experiment)
    with connection.requests() as client:
        # kfp's own run_pipeline knows no plugins.
        wanted = client.api_models.V2beta1Run(
            experiment_id=experiment_id,
            display_name=name,
            pipeline_version_reference=version.reference(client),
            runtime_config=client.api_models.V2beta1RuntimeConfig(parameters=parameters),
            service_account=config.cluster.service_account,
            plugins_input=plugins_input(kfp_mlflow),
        )
        run = client.runs.run_service_create_run(run=wanted)
    return Submission(run.run_id, name, connection.run_link(run.run_id), version)


def follow(
    connection: Connection,
    run_id: str,
    *,
    on_state: Callable[[str], None],
    seconds_between: float = 10.0,
    minutes: float = math.inf,
) -> None:
    """Wait until a run has ended; it is an error if the run does not succeed.

    Args:
        on_state: called with every new state, in words.
        seconds_between: pause between requests, in seconds, > 0.
        minutes: longest time to wait, > 0.
    """
    state, lost, end = None, 0, time.monotonic() + 60 * minutes
    while True:
        # kfp's own wait_for_run_completion never returns from a run that was cancelled.
        try:
            with connection.requests() as client:
                run = client.get_run(run_id)
        except ClusterError as error:
            lost += 1
            if lost > _LOST_ANSWERS:
                raise ClusterError(
                    f"run {run_id}", rule=f"can no longer be followed ({error})", remedy="it continues: see `palm runs`"
                ) from error
            time.sleep(seconds_between)
            continue
        lost = 0
        if run.state != state:
            state = run.state
            on_state(state_in_words(state))
        if state in ENDED:
            break
        if time.monotonic() > end:
            raise ClusterError(
                f"run {run_id}",
                rule=f"is {state_in_words(state)} after {minutes:.0f} minutes",
                remedy=f"see {connection.run_link(run_id)}: its pods may find no node or no image",
            )
        time.sleep(seconds_between)
    if state not in ("SUCCEEDED", "SKIPPED"):
        found = Diagnosis(connection).of(run)
        raise ClusterError(
            f"run {run_id}",
            rule=found.state if found.reason is None else f"{found.state} ({found.reason})",
            remedy=f"see {connection.run_link(run_id)}; finished work is kept and reused by the next run",
        )
