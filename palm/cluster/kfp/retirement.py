"""Retirement of a recurring run: disabled at once, removed by the first call that finds all its runs ended.

A recurring run owns the runs that it started: Kubernetes would remove them with it, in the middle of a rebuild.
"""

from collections.abc import Callable
from dataclasses import dataclass

from palm.cluster.kfp.connection import Connection, having
from palm.cluster.kfp.failure import ENDED_WITHOUT_AN_OUTCOME, Diagnosis
from palm.cluster.kfp.runs import ENDED

CHANGES = "Run it again to change its settings."
MADE_DISABLED = "Made to start no runs."
"""Last words of the description of one that was created disabled; other disabled ones are retired."""


@dataclass(frozen=True)
class Retired:
    """Recurring runs that no longer start runs.

    Attributes:
        removed: ids of those that were removed.
        kept: id of each that is kept, disabled, to the ids of its runs that have not ended.
    """

    removed: list[str]
    kept: dict[str, list[str]]


def is_retired(run) -> bool:
    """Whether a recurring run that `palm schedule` created is disabled because another replaced it."""
    return run.status == "DISABLED" and not run.description.endswith(MADE_DISABLED)


def retire(connection: Connection, recurring_runs: list) -> Retired:
    """Disable recurring runs, and remove those whose runs have ended; a later call removes the others."""
    removed, kept = [], {}
    for run in recurring_runs:
        identity = run.recurring_run_id
        if run.status != "DISABLED":
            _ignoring_missing(connection, lambda client, identity=identity: client.disable_recurring_run(identity))
        unfinished = _unfinished(connection, run)
        if unfinished:
            kept[identity] = unfinished
        else:
            _ignoring_missing(connection, lambda client, identity=identity: _delete(client, identity))
            removed.append(identity)
    return Retired(removed, kept)


def _unfinished(connection: Connection, recurring_run) -> list[str]:
    started = connection.listed(
        connection.client.list_runs,
        "runs",
        experiment_id=recurring_run.experiment_id,
        filter=having("recurring_run_id", recurring_run.recurring_run_id),
    )
    diagnosis = Diagnosis(connection)
    return [
        run.run_id
        for run in started
        # The server reports a run whose Workflow was deleted as running for ever.
        if run.state not in ENDED and diagnosis.of(run).state != ENDED_WITHOUT_AN_OUTCOME
    ]


def _delete(client, recurring_run_id: str) -> None:
    # Ended runs keep their Workflow, and so does one that was being started while the recurring run was disabled.
    # kfp's own delete_recurring_run leaves that to the server, which removes them.
    client.recurring_runs.recurring_run_service_delete_recurring_run(recurring_run_id, propagation_policy="ORPHAN")


def _ignoring_missing(connection: Connection, request: Callable) -> None:
    """Make a request about a recurring run that another call, or an earlier request, may have removed."""
    import kfp_server_api

    with connection.requests() as client:
        try:
            request(client)
        except kfp_server_api.ApiException as error:
            if error.status != 404:
                raise
