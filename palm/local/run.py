"""Local builds: the pipeline of the cluster, run on this machine by one of KFP's local runners."""

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from rich.console import Console

from palm.artifacts.outcome import Outcome
from palm.artifacts.summary import Summary
from palm.builds.inputs import check_inputs
from palm.builds.outcome import read_outcome
from palm.builds.records import BUILD_VARIABLE
from palm.components.launcher_rules import check_executor_outputs
from palm.config.cluster import Cluster, PodResources
from palm.config.portfolio import PortfolioConfig
from palm.errors import BuildError
from palm.local.containers import check_image, container_runner
from palm.local.event_view import EventView
from palm.progress import EVENTS_VARIABLE
from palm.registry.experiment import check_usable
from palm.steps.workers.pool import separate_processes
from palm.storage.files import write_text

_LOG, _EVENTS, _STEPS, _CONFIG = "run.log", "events.jsonl", "steps", "config.yaml"
OUTCOME = "outcome.md"
_SHOWN = {
    ("record-outcome", "page"): "report.html",
    ("register-portfolio", "summary"): "summary.json",
    ("record-outcome", "outcome"): OUTCOME,
}
"""Outputs of tasks for people, and their names in the build's folder."""


def run_build(
    config: PortfolioConfig, output: Path, console: Console, *, only_if_changed: bool = False, image: str | None = None
) -> tuple[Path, Summary | None]:
    """Run the pipeline `build_portfolio` or `rebuild_on_change` on this machine.

    Args:
        output: folder of builds; the build gets a new folder in it with the report, its data, the configuration,
            the log and every step's files.
        only_if_changed: whether to build only if an input has changed since the last build.
        image: run every task in a container of this image, e.g. ``localhost/palm:0.1.0-cpu``; None: in a process.

    Returns:
        The build's folder and its summary; None if there was nothing to build.

    Raises:
        PalmError: an input is unusable; nothing was started.
        BuildError: a step failed.
    """
    if image:
        check_image(image)
    check_inputs(config)
    check_usable(config.registry)
    folder = output / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    write_text(folder / _CONFIG, config.to_yaml())
    console.print(f"build {folder}", highlight=False, soft_wrap=True)
    settings = _settings(folder)
    start = container_runner(config, folder, settings) if image else _process_runner(folder, settings)
    with start as runner, EventView(folder / _EVENTS, console) as view:
        try:
            _run_pipeline(_pipeline(only_if_changed, image), config, folder, view, runner)
        finally:
            for (task, name), target in _SHOWN.items():
                # A pipeline with an exit handler has no outputs of its own.
                for path in folder.glob(f"{_STEPS}/*/{task}/{name}"):
                    shutil.copyfile(path, folder / target)
    summary = folder / _SHOWN["register-portfolio", "summary"]
    return folder, Summary.read(summary) if summary.exists() else None


def _pipeline(only_if_changed: bool, image: str | None) -> Callable:
    from palm.pipelines.compile import PIPELINES

    # No retries: no task is preempted here, and a failed one would fail again a minute later.
    images = {"image": image, "gpu_image": image} if image else {}
    cluster = Cluster(tasks=PodResources(retries=0), **images)
    return PIPELINES["rebuild_on_change" if only_if_changed else "build_portfolio"](cluster)


@contextlib.contextmanager
def _process_runner(folder: Path, environment: dict[str, str]) -> Iterator:
    """A runner whose tasks are processes of this environment and run their steps in workers."""
    from kfp import local

    with _environment(environment), separate_processes(folder / _LOG):
        yield local.SubprocessRunner(use_venv=False)


def _run_pipeline(pipeline: Callable, config: PortfolioConfig, folder: Path, view: EventView, runner) -> None:
    from kfp import local

    local.init(runner=runner, pipeline_root=str(folder / _STEPS))
    log, error = folder / _LOG, None
    with _opened(log) as stream, contextlib.redirect_stdout(stream):
        try:
            # Not its text, which is an argument of a process: Linux allows 128 KiB for each.
            pipeline(config=str((folder / _CONFIG).resolve()))
        except Exception as raised:
            error = raised
    view.poll()
    outcome = read_outcome(config.storage.root, folder.name)
    # KFP counts a container that is removed before it is asked for its exit status as successful.
    if error is None and outcome is not None and outcome.state != "failed":
        check_executor_outputs(folder / _STEPS)
        return
    # KFP only names the task, or a later one: the step's own record or error says what is wrong.
    what, rule = _recorded_failure(outcome) or view.first_error or ("build", " ".join(str(error).split()))
    raise BuildError(what, rule=rule, remedy=f"finished steps are kept and reused; the whole log is {log}") from error


@contextlib.contextmanager
def _opened(log: Path) -> Iterator[TextIO]:
    """Open the log; on a full disk it fails once, with its name, not with a traceback for each line of KFP."""
    before, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        with log.open("a", encoding="utf-8", buffering=1) as stream:
            yield stream
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(log)) from error
    finally:
        logging.raiseExceptions = before


def _recorded_failure(outcome: Outcome | None) -> tuple[str, str] | None:
    failures = [failure for failure in (outcome.failures if outcome else ()) if failure.attempt]
    return (failures[0].task, failures[0].error) if failures else None


def _settings(folder: Path) -> dict[str, str]:
    return {
        EVENTS_VARIABLE: str(folder / _EVENTS),
        BUILD_VARIABLE: folder.name,
        # Small models compute fastest on one thread, and give the same bits on whatever machine a training resumes.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "TOKENIZERS_PARALLELISM": "false",
    }


@contextlib.contextmanager
def _environment(wanted: dict[str, str]) -> Iterator[None]:
    before = {key: os.environ.get(key) for key in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
