"""The recurring run of a portfolio: exactly one starts runs, even if earlier calls were interrupted.

Kubeflow Pipelines cannot change a recurring run, so a new one is made before the old one is retired. A call that is
interrupted in between leaves two; the next call retires the other. The schedule is never missing.
"""

from dataclasses import dataclass
from datetime import datetime

from palm.cluster.kfp.connection import Connection, named
from palm.cluster.kfp.cron import next_times
from palm.cluster.kfp.input_files import publish_inputs
from palm.cluster.kfp.retirement import CHANGES, MADE_DISABLED, Retired, is_retired, retire
from palm.cluster.kfp.run_references import (
    EXPERIMENT,
    REBUILD,
    PipelineVersion,
    ensure_experiment,
    plugins_input,
    publish_pipeline,
)
from palm.config.portfolio import PortfolioConfig
from palm.config.resolve import publish_config
from palm.errors import ClusterError

_MARK = "Kept by `palm schedule`."
"""First words of the description of recurring runs that may be removed."""


@dataclass(frozen=True)
class Schedule:
    """Settings of a recurring run; without a service account the server chooses one."""

    name: str
    cron: str
    version: PipelineVersion
    parameters: dict
    enabled: bool = True
    service_account: str | None = None
    plugins_input: dict | None = None


@dataclass(frozen=True)
class Outcome:
    """Result of keeping a schedule.

    Attributes:
        recurring_run_id: of the one recurring run that is not retired.
        change: ``created``, ``replaced`` or ``unchanged``.
        next_times: of its next runs, UTC.
    """

    recurring_run_id: str
    change: str
    retired: Retired
    next_times: list[datetime]


def schedule_rebuilds(
    connection: Connection,
    config: PortfolioConfig,
    cron: str,
    *,
    name: str,
    enabled: bool = True,
    experiment: str = EXPERIMENT,
    kfp_mlflow: str | None = None,
    must_exist: bool = False,
) -> Outcome:
    """Rebuild a portfolio at the times of a schedule, if its inputs have changed; one rebuild at a time.

    Args:
        cron: six fields, seconds first.
        enabled: whether the schedule starts runs.
        experiment: name of the experiment of the runs; created if missing.
        kfp_mlflow: as in `palm.cluster.kfp.run_references.plugins_input`.
        must_exist: refuse to create the first one.
    """
    next_times(cron)
    wanted = Schedule(
        name=name,
        cron=cron,
        parameters={"config": publish_config(publish_inputs(config))},
        version=publish_pipeline(connection, REBUILD, config.cluster),
        enabled=enabled,
        service_account=config.cluster.service_account,
        plugins_input=plugins_input(kfp_mlflow),
    )
    return keep_schedule(connection, wanted, experiment=experiment, must_exist=must_exist)


def keep_schedule(connection: Connection, schedule: Schedule, *, experiment: str, must_exist: bool = False) -> Outcome:
    """Create a schedule if missing, unless it must exist; replace it if its settings differ, else leave it."""
    times = next_times(schedule.cron)
    experiment_id = ensure_experiment(connection, experiment)
    before = [run for run in _existing(connection, schedule.name) if not is_retired(run)]
    if must_exist and not before:
        raise ClusterError(
            f"recurring run {schedule.name!r}", rule="does not exist", remedy="leave out --update, or check --name"
        )
    kept = _newest(before)
    change = "unchanged" if kept is not None and len(before) == 1 else "replaced"
    if kept is None or kept.experiment_id != experiment_id or not _is(kept, schedule):
        change = "replaced" if before else "created"
        kept = _create(connection, experiment_id, schedule)
    retired = retire(connection, _others(connection, schedule.name, kept, before))
    return Outcome(kept.recurring_run_id, change, retired, times)


def remove_schedule(connection: Connection, name: str) -> Retired:
    """Remove a schedule; runs that it started go on, and a later call removes what had to be kept for them."""
    return retire(connection, _existing(connection, name))


def _existing(connection: Connection, name: str) -> list:
    """The recurring runs of a name in all experiments, all of which must have been made here."""
    request = connection.client.list_recurring_runs
    found = list(connection.listed(request, "recurring_runs", namespace=connection.namespace, filter=named(name)))
    for run in found:
        if not (run.description or "").startswith(_MARK):
            raise ClusterError(
                f"recurring run {name!r} ({run.recurring_run_id})",
                rule="was not made by `palm schedule`, which therefore does not replace it",
                remedy="remove it in Kubeflow Pipelines, or give another --name",
            )
    return found


def _newest(runs: list):
    """The one that was made last; None if there is none, or others were made in the same second."""
    newest = max(runs, key=lambda run: run.created_at, default=None)
    rivals = [run for run in runs if run is not newest and run.created_at >= newest.created_at]
    return None if rivals else newest


def _is(run, schedule: Schedule) -> bool:
    """Whether a recurring run has the settings that are wanted."""
    reference, config = run.pipeline_version_reference, run.runtime_config
    return (
        run.trigger is not None
        and run.trigger.cron_schedule is not None
        and run.trigger.cron_schedule.cron == schedule.cron
        and reference is not None
        and reference.pipeline_id == schedule.version.pipeline_id
        and reference.pipeline_version_id == schedule.version.version_id
        and config is not None
        and config.parameters == schedule.parameters
        and int(run.max_concurrency) == 1
        and bool(run.no_catchup)
        and (run.status == "ENABLED") == schedule.enabled
        and (run.plugins_input or {}) == (schedule.plugins_input or {})
        # The server fills in its own choice where none was made.
        and schedule.service_account in (None, run.service_account)
    )


def _create(connection: Connection, experiment_id: str, schedule: Schedule):
    with connection.requests() as client:
        # kfp's own create_recurring_run knows no plugins.
        models = client.api_models
        wanted = models.V2beta1RecurringRun(
            experiment_id=experiment_id,
            display_name=schedule.name,
            description=f"{_MARK} {CHANGES if schedule.enabled else MADE_DISABLED}",
            trigger=models.V2beta1Trigger(cron_schedule=models.V2beta1CronSchedule(cron=schedule.cron)),
            max_concurrency="1",  # JSON has no int64: the API wants a string.
            no_catchup=True,
            mode="ENABLE" if schedule.enabled else "DISABLE",
            runtime_config=models.V2beta1RuntimeConfig(parameters=schedule.parameters),
            pipeline_version_reference=schedule.version.reference(client),
            service_account=schedule.service_account,
            plugins_input=schedule.plugins_input,
        )
        return client.recurring_runs.recurring_run_service_create_recurring_run(recurring_run=wanted)


def _others(connection: Connection, name: str, kept, before: list) -> list:
    """Those that were there before, or are older or retired, but none that is newer, from a simultaneous call."""
    known = {run.recurring_run_id for run in before}
    return [
        run
        for run in _existing(connection, name)
        if run.recurring_run_id != kept.recurring_run_id
        and (run.recurring_run_id in known or is_retired(run) or run.created_at < kept.created_at)
    ]
