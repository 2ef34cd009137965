"""Recent runs: state, duration, and why one failed."""

import itertools
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from palm.cluster.kfp.connection import Connection
from palm.cluster.kfp.failure import ENDED_WITHOUT_AN_OUTCOME, Diagnosis
from palm.cluster.kfp.run_references import find_experiment

ENDED = {"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"}
"""Final states."""

_STYLES = {"succeeded": "green", "failed": "red", "running": "cyan", ENDED_WITHOUT_AN_OUTCOME: "yellow"}


@dataclass(frozen=True)
class Run:
    """A run in Kubeflow Pipelines.

    Attributes:
        duration_seconds: until it ended, or until now.
        scheduled: whether a schedule started it.
        error: why it failed; None if it did not fail, or no source knows.
    """

    run_id: str
    name: str
    state: str
    started: datetime
    duration_seconds: float
    scheduled: bool
    error: str | None
    link: str

    def to_dict(self) -> dict:
        """As JSON, the time in ISO 8601."""
        return {**asdict(self), "started": self.started.isoformat()}


def recent_runs(connection: Connection, limit: int, experiment: str) -> list[Run]:
    """The newest runs of an experiment, the newest first; none if there is no such experiment."""
    experiment_id = find_experiment(connection, experiment)
    if experiment_id is None:
        return []
    found = connection.listed(
        connection.client.list_runs, "runs", experiment_id=experiment_id, sort_by="created_at desc"
    )
    diagnosis = Diagnosis(connection)
    return [_described(run, connection, diagnosis) for run in itertools.islice(found, limit)]


def runs_table(runs: list[Run]) -> Table:
    """Table of runs for a terminal."""
    table = Table()
    for header in ("name", "state", "started", "duration", "started by", "run"):
        table.add_column(header, no_wrap=True, justify="right" if header == "duration" else "left")
    for run in runs:
        table.add_row(
            run.name,
            run.state,
            f"{run.started.astimezone():%Y-%m-%d %H:%M}",
            _duration(run.duration_seconds),
            "schedule" if run.scheduled else "hand",
            run.run_id,
            style=_STYLES.get(run.state),
        )
    return table


def _described(run, connection: Connection, diagnosis: Diagnosis) -> Run:
    found = diagnosis.of(run)
    # A run that has not ended has the year 1970 there.
    ended = run.finished_at if run.finished_at and run.finished_at.year > 1970 else datetime.now(UTC)
    return Run(
        run_id=run.run_id,
        name=run.display_name,
        state=found.state,
        started=run.created_at,
        duration_seconds=round(max(0.0, (ended - run.created_at).total_seconds()), 3),
        scheduled=bool(run.recurring_run_id),
        error=found.reason,
        link=connection.run_link(run.run_id),
    )


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


def show_runs(runs: list[Run], console: Console) -> None:
    """Print runs as a table, and below it why those failed that did."""
    # Off a terminal rich assumes 80 columns, which would cut the ids.
    wide = console if console.is_terminal else Console(width=max(160, console.width))
    wide.print(runs_table(runs))
    for run in runs:
        if run.error:
            wide.print(f"{run.name}: {run.error}", highlight=False, markup=False, soft_wrap=True)
