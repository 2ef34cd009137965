"""What became of every task of a build, kept in the storage while the build runs.

In a cluster each task is a pod of its own, and when one fails those that would have reported on it never start. So
every task writes down its start and its end; the task that runs last, whatever happened, reads them.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from palm.builds.heartbeat import beating
from palm.config.portfolio import PortfolioConfig, Registry
from palm.errors import BuildError, PalmError, in_words
from palm.registry.connection import without_credentials
from palm.storage.digest import value_digest
from palm.storage.records import Records

BUILD_VARIABLE = "PALM_BUILD_ID"
"""Environment variable that names the build: the run's id in a cluster, the build's folder on one machine."""

ATTEMPTS_VARIABLE = "PALM_ATTEMPTS"
"""Environment variable with how often a task is started at most, retries included; unset: once."""

RETRY_VARIABLE = "KFP_RETRY_INDEX"
"""Environment variable that Kubeflow Pipelines sets in tasks that may be retried, since its 2.17: 0 at the first."""

RUNNING, SUCCEEDED, FAILED = "running", "succeeded", "failed"


def current_build() -> str:
    """The name of the build that this process works for.

    Returns:
        The name.

    Raises:
        BuildError: there is none.
    """
    build = os.environ.get(BUILD_VARIABLE, "")
    if not build:
        raise BuildError(
            BUILD_VARIABLE,
            rule="is not set",
            remedy="set it in all tasks of a build to the same name, e.g. the run's id",
        )
    return build


def page_name(build: str) -> str:
    """Where the page of a build is kept below ``storage.root``."""
    return f"builds/{build}/report.html"


def task_records(root: str, build: str) -> list[dict]:
    """The records of a build's tasks.

    Args:
        root: ``storage.root``.
        build: name of the build.

    Returns:
        One record a task that has started: ``step``, ``label``, ``state``, ``attempt``, ``attempts`` (that it has at
        most), ``started`` and ``ended`` (seconds since 1970), ``error``, ``retry_may_help``, ``result``, and ``again``:
        how often it was tried again though it had succeeded.

    Raises:
        StorageError: they cannot be read.
    """
    return sorted(Records(root).read_all(f"builds/{build}/tasks"), key=lambda record: record["started"])


def failed_for_good(root: str, step: str, identity, error: BaseException) -> bool:
    """Whether work that has just failed will not be tried again, or not with success.

    Args:
        root: ``storage.root``.
        step: name of the step.
        identity: as in `recorded`.
        error: how it failed.

    Returns:
        Outside of a build, where nobody knows how often a task is tried: whether no retry mends the error.

    Raises:
        StorageError: its record cannot be read.
    """
    if not (build := os.environ.get(BUILD_VARIABLE, "")):
        return not _failure(error)["retry_may_help"]
    record = Records(root).read(_record_name(build, step, identity))
    # One that still says that it runs could not be written: the storage failed with the task.
    if record is None or record["state"] == RUNNING:
        return False
    # The pod is what is tried again: it may have been lost before it came to this work.
    retry = os.environ.get(RETRY_VARIABLE)
    attempt = record["attempt"] if retry is None else int(retry) + 1
    return not record["retry_may_help"] or attempt >= record["attempts"]


def record_owner(config: PortfolioConfig) -> None:
    """Write down which portfolio the build that this process works for is of; several may share a storage.

    Args:
        config: the configuration.

    Raises:
        StorageError: it cannot be written.
    """
    if build := os.environ.get(BUILD_VARIABLE):
        Records(config.storage.root).write(f"builds/{build}/build", {"name": config.name, **owner(config.registry)})


def owner(registry: Registry) -> dict[str, str]:
    """What says of a build which registered model it is of: ``model`` and ``tracking_uri``, without credentials."""
    return {"model": registry.model, "tracking_uri": without_credentials(registry.tracking_uri)}


def mark_use(root: str, key: str) -> None:
    """Write down that the build that this process works for, if any, uses an entry of the store.

    Done before the entry is fetched or made, it keeps garbage collection from it.

    Args:
        root: ``storage.root``.
        key: the entry's name.

    Raises:
        StorageError: it cannot be written.
    """
    if build := os.environ.get(BUILD_VARIABLE):
        Records(root).write(f"builds/{build}/uses/{key}", {"at": time.time()})


@contextmanager
def recorded(root: str, step: str, label: str = "", *, identity=None) -> Iterator[dict]:
    """Keep the record of a task while it runs, if it is part of a build.

    Args:
        root: ``storage.root``.
        step: name of the step.
        label: what it works on, for people.
        identity: what it works on, JSON-able and exact: with the step it names the task, and a retry of it. None: the
            label.

    Yields:
        A dict to fill with what the record shall hold as ``result``, JSON-able.

    Raises:
        BuildError: an earlier attempt in this build failed with an error that no retry mends.
        StorageError: the record cannot be written.
    """
    build, result = os.environ.get(BUILD_VARIABLE, ""), {}
    if not build:
        yield result
        return
    records, name = Records(root), _record_name(build, step, identity or label)
    before = records.read(name)
    _refuse_hopeless(before)
    record = {
        "step": step,
        "label": label,
        "state": RUNNING,
        "attempt": 1 + (before or {}).get("attempt", 0),
        "attempts": int(os.environ.get(ATTEMPTS_VARIABLE, "1")),
        "started": time.time(),
    }
    records.write(name, record)
    try:
        with beating(root, build):
            yield result
    except BaseException as error:
        records.write(name, {**record, **_failure(error), "ended": time.time()})
        raise
    if before is not None and before["state"] == SUCCEEDED:
        # A retry, or a second task of the same work, such as the policy that was a corner of soups, found it done.
        again = before.get("again", 0) + (os.environ.get(RETRY_VARIABLE, "0") != "0")
        record, result = {**before, "attempts": record["attempts"], "again": again}, before["result"]
    records.write(name, {**record, "state": SUCCEEDED, "ended": time.time(), "result": result})


def _record_name(build: str, step: str, identity) -> str:
    return f"builds/{build}/tasks/{step}-{value_digest(identity)[:12]}"


def _refuse_hopeless(before: dict | None) -> None:
    """End a retry at once where it would only spend what the first attempt has spent already."""
    if before is None or before["state"] != FAILED or before["retry_may_help"]:
        return
    raise BuildError(
        f"{before['step']} {before['label']}".strip(),
        rule=f"has failed in this build already: {before['error']}",
        remedy="no retry mends this; start a new build once it is mended",
    )


def _failure(error: BaseException) -> dict:
    retry_may_help = not isinstance(error, PalmError) or error.retry_may_help
    return {"state": FAILED, "error": in_words(error), "retry_may_help": retry_may_help}
