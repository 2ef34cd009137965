"""Task records: every task of a build records its start and end in the storage.

In a cluster each task is a pod of its own, and if one fails, the tasks that would report it never start. The task that
runs last in any case (record_outcome) reads these records.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from palm.builds.heartbeat import beating
from palm.config.portfolio import PortfolioConfig, Registry
from palm.errors import BuildError, DamagedError, PalmError, in_words, without_credentials
from palm.storage.digest import value_digest
from palm.storage.records import Records

BUILD_VARIABLE = "PALM_BUILD_ID"
"""Environment variable with the name of the build: the run's id in a cluster, the build's folder on one machine."""

ATTEMPTS_VARIABLE = "PALM_ATTEMPTS"
"""Environment variable with the maximum number of attempts of a task; unset: 1."""

RETRY_VARIABLE = "KFP_RETRY_INDEX"
"""Environment variable that Kubeflow Pipelines 2.17 and later sets in tasks that may be retried; 0: first attempt."""

Model = TypeVar("Model", bound=BaseModel)

RUNNING, SUCCEEDED, FAILED = "running", "succeeded", "failed"


class TaskRecord(BaseModel):
    """Record of a task; times are in seconds since 1970.

    Attributes:
        label: what it works on, for people.
        weights: preference weights of the policy that it trains.
        state: "running" also means: ended without recording its end.
        attempt: number of the last attempt, from 1.
        attempts: maximum number of attempts.
        again: how often it was retried after it had succeeded.
        retry_may_help: whether a retry after the error may succeed.
        result: what the step records of its result.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    step: str
    label: str = ""
    weights: tuple[float, ...] | None = None
    state: Literal["running", "succeeded", "failed"]
    attempt: int = 1
    attempts: int = 1
    again: int = 0
    started: float
    ended: float | None = None
    error: str = ""
    retry_may_help: bool = True
    result: dict[str, Any] = {}


def current_build() -> str:
    """Name of the build that this process works for; an error without one."""
    build = os.environ.get(BUILD_VARIABLE, "")
    if not build:
        raise BuildError(
            BUILD_VARIABLE,
            rule="is not set",
            remedy="set it to the same name in all tasks of a build, e.g. the run's id",
        )
    return build


def page_name(build: str) -> str:
    """Name of a build's page below ``storage.root``."""
    return f"builds/{build}/report.html"


def task_records(root: str, build: str) -> list[TaskRecord]:
    """Records of a build's tasks below ``storage.root``, in the order of their starts."""
    folder = f"builds/{build}/tasks"
    records = [_parse(content, f"{root}/{folder}", TaskRecord) for content in Records(root).read_all(folder)]
    return sorted(records, key=lambda record: record.started)


def read_record(records: Records, name: str, kind: type[Model]) -> Model | None:
    """Read a stored record; None if there is none."""
    content = records.read(name)
    return None if content is None else _parse(content, f"{records.root}/{name}.json", kind)


def _parse(content: dict, place: str, kind: type[Model]) -> Model:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(map(str, problem["loc"]))
        rule = f"is not a record of type {kind.__name__} ({field}: {problem['msg']})"
        raise DamagedError(place, rule=rule, remedy="delete it and run again") from error


def failed_for_good(root: str, step: str, identity: Any, error: BaseException) -> bool:
    """Whether work that has just failed will not be retried, or not with success; ``identity`` as in `recorded`.

    Outside a build the number of attempts is unknown, and only the error decides.
    """
    if not (build := os.environ.get(BUILD_VARIABLE, "")):
        return not _may_help(error)
    record = read_record(Records(root), _record_name(build, step, identity), TaskRecord)
    # A record that still says "running" could not be updated: the storage failed with the task.
    if record is None or record.state == RUNNING:
        return False
    # Kubeflow retries the pod, and an earlier pod may have been lost before it reached this work.
    retry = os.environ.get(RETRY_VARIABLE)
    attempt = record.attempt if retry is None else int(retry) + 1
    return not record.retry_may_help or attempt >= record.attempts


def record_owner(config: PortfolioConfig) -> None:
    """Record which portfolio the current build belongs to: several may share a storage."""
    if build := os.environ.get(BUILD_VARIABLE):
        Records(config.storage.root).write(f"builds/{build}/build", {"name": config.name, **owner(config.registry)})


def owner(registry: Registry) -> dict[str, str]:
    """Identity of the registered model that a build belongs to: ``model`` and ``tracking_uri``, without credentials."""
    return {"model": registry.model, "tracking_uri": without_credentials(registry.tracking_uri)}


def mark_use(root: str, key: str) -> None:
    """Record that the current build, if any, uses an entry of the store, which protects it from garbage collection.

    Call it before the entry is fetched or made.
    """
    if build := os.environ.get(BUILD_VARIABLE):
        Records(root).write(f"builds/{build}/uses/{key}", {"at": time.time()})


@contextmanager
def recorded(
    root: str, step: str, label: str = "", *, weights: list[float] | None = None, identity: Any = None
) -> Iterator[dict]:
    """Keep the record of a task while the block runs, if it is part of a build.

    Args:
        label: what it works on, for people.
        weights: preference weights of the policy that it trains.
        identity: exact, JSON-able: with the step it identifies the task and its retries. None: the label.

    Yields:
        A dict to fill with the ``result`` that the record keeps, JSON-able.

    Raises:
        BuildError: an earlier attempt in this build failed permanently.
    """
    build, result = os.environ.get(BUILD_VARIABLE, ""), {}
    if not build:
        yield result
        return
    records, name = Records(root), _record_name(build, step, identity or label)
    before = read_record(records, name, TaskRecord)
    _refuse_hopeless(before)
    record = TaskRecord(
        step=step,
        label=label,
        weights=weights,
        state=RUNNING,
        attempt=1 + (before.attempt if before else 0),
        attempts=int(os.environ.get(ATTEMPTS_VARIABLE, "1")),
        started=time.time(),
    )
    _write(records, name, record)
    try:
        with beating(root, build):
            yield result
    except BaseException as error:
        failure = {"error": in_words(error), "retry_may_help": _may_help(error)}
        _write(records, name, record, state=FAILED, ended=time.time(), **failure)
        raise
    if before is not None and before.state == SUCCEEDED:
        # A retry, or a second task of the same work (e.g. a policy that is also a corner of soups), found it done.
        retried = os.environ.get(RETRY_VARIABLE, "0") != "0"
        _write(records, name, before, ended=time.time(), attempts=record.attempts, again=before.again + retried)
    else:
        _write(records, name, record, state=SUCCEEDED, ended=time.time(), result=result)


def _write(records: Records, name: str, record: TaskRecord, **changes: Any) -> None:
    records.write(name, record.model_copy(update=changes).model_dump())


def _record_name(build: str, step: str, identity: Any) -> str:
    return f"builds/{build}/tasks/{step}-{value_digest(identity)[:12]}"


def _refuse_hopeless(before: TaskRecord | None) -> None:
    """Do not repeat the cost of an attempt that failed permanently."""
    if before is None or before.state != FAILED or before.retry_may_help:
        return
    raise BuildError(
        f"{before.step} {before.label}".strip(),
        rule=f"has failed in this build already: {before.error}",
        remedy="a retry does not help; fix the cause and start a new build",
    )


def _may_help(error: BaseException) -> bool:
    return not isinstance(error, PalmError) or error.retry_may_help
