"""Running a step: in a worker if there is a pool, else in this process."""

import os
import sys
import textwrap
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from palm.builds.rebuild.snapshot import check_snapshot
from palm.builds.records import record_owner, recorded
from palm.config.load import parse_config
from palm.config.portfolio import PortfolioConfig
from palm.errors import BuildError, PalmError, PreemptedError, in_words
from palm.steps.workers.client import WORKERS_VARIABLE, ask_worker

Paths = dict[str, str | list[str]]

_LONGEST = 500
"""Characters of a library's error, which may list all that it knows."""


def run_step(
    name: str,
    config: PortfolioConfig,
    *values: Any,
    label: str = "",
    weights: list[float] | None = None,
    identity: Any = None,
    snapshot: str = "",
    result: tuple[str, ...] = (),
    **paths: str | list[str],
) -> Any:
    """Run a step and keep the record of its task in the build; returns what the step returns, JSON-able.

    Args:
        name: module in `palm.steps` and function in it, e.g. ``train_policy``.
        values: JSON-able arguments that follow the configuration.
        label: what the step works on, if a build has several tasks of it.
        weights: preference weights of the policy that the step trains.
        identity: exact, JSON-able identity of the task (`palm.builds.records.recorded`); None: label and values.
        snapshot: inputs of the build (`palm.builds.rebuild.snapshot.check_snapshot`); empty outside a build.
        result: keys of the step's result that the record keeps.
        paths: keyword arguments that are paths, or lists of paths.

    Raises:
        PalmError: the step raised it, its worker was killed, or the task failed permanently before.
        BuildError: a library raised an error; its traceback is on stderr.
        SystemExit: the step was preempted (the exit code asks for a retry), or its worker ended without an answer.
    """
    task = {"label": label, "weights": weights, "identity": identity or [label, values]}
    try:
        with recorded(config.storage.root, name, **task) as record:
            record_owner(config)
            check_snapshot(config, snapshot)
            address, step = os.environ.get(WORKERS_VARIABLE), (name, config.to_json(), values, paths)
            answer = ask_worker(address, *step) if address else call_step(*step)
            record.update({key: answer[key] for key in result})
        return answer
    except PreemptedError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from None


def call_step(name: str, config: str, values: list | tuple, paths: Paths) -> Any:
    """Call a step in this process; arguments as for `run_step`, the configuration as JSON text.

    Raises:
        PalmError: the step raised it.
        BuildError: a library raised another error, or ended the process.
    """
    step = getattr(import_module(f"palm.steps.{name}"), name)
    given = {
        key: [Path(path) for path in value] if isinstance(value, list) else Path(value) for key, value in paths.items()
    }
    try:
        return to_jsonable_python(step(parse_config(config), *values, **given))
    except PalmError:
        raise
    except (Exception, SystemExit) as error:
        # Records, the outcome and the terminal show one line: without it they would show an exit status.
        why = textwrap.shorten(in_words(error), _LONGEST, placeholder=" …")
        raise BuildError(f"step {name}", rule=f"failed by {why}", remedy="see the traceback in its log") from error
