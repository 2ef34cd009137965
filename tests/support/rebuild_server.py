"""Rebuilds in forked processes: each line on stdin lists rebuilds that start together; the answer: exit statuses.

A rebuild is ``{"config": …, "root": …, "build": …}``: its configuration file, the storage's folder and a folder for
its files, which names it. ``"kill": [STEP, SECONDS]`` kills it that long after the start of the step, if it still runs;
``"pause": STEP`` stops it at the step until the others have ended.
Imports are done once, so that thirty rebuilds can be started and killed in minutes.
"""

import json
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from kfp import dsl

from palm.builds.records import BUILD_VARIABLE
from palm.components.design_grid.task import run as design_grid
from palm.components.detect_change.task import run as detect_change
from palm.components.evaluate_policies.task import run as evaluate_policies
from palm.components.register_portfolio.task import run as register_portfolio
from palm.components.sample_reference.task import run as sample_reference
from palm.components.select_portfolio.task import run as select_portfolio
from palm.components.train_policies.task import run as train_policies
from palm.config.load import load_config
from palm.errors import PalmError
from palm.steps.workers.server import preload


def rebuild(config_file: Path, build: Path) -> None:
    """The work of `palm run --if-changed`, in this process."""
    os.environ[BUILD_VARIABLE] = build.name
    build.mkdir(parents=True)

    def output(kind: type[dsl.Artifact], name: str) -> dsl.Artifact:
        return kind(name=name, uri=str(build / name))

    text = load_config(config_file).to_json()
    changed, config, snapshot = detect_change(text, output(dsl.Markdown, "changes.md"), "", "")
    if not changed:
        return
    plan, selection = output(dsl.Dataset, "plan"), output(dsl.Artifact, "selection")
    reference = sample_reference(config, snapshot)
    items, config, snapshot = design_grid(config, *reference, plan, output(dsl.Metrics, "planned"), snapshot)
    evaluations = []
    for index, item in enumerate(items):
        table, metrics = output(dsl.Markdown, f"trained-{index}.md"), output(dsl.Metrics, f"metrics-{index}")
        trained = train_policies(item["config"], plan, item["group"], table, metrics)
        evaluations.append(evaluate_policies(config, plan, trained, metrics))
    select_portfolio(config, plan, evaluations, selection, output(dsl.Metrics, "selected"))
    gate, summary = output(dsl.Markdown, "gate.md"), output(dsl.Artifact, "summary.json")
    register_portfolio(config, plan, selection, gate, summary, snapshot)


@dataclass
class Rebuild:
    request: dict
    pid: int
    status: int | None = None
    """Exit status, or minus the signal that ended it; None while it runs."""
    begun: float | None = None
    """Start of the step at which it is killed or stopped."""
    paused: bool = False

    def watch(self, *, alone: bool) -> None:
        """Check once whether it has ended; kill, stop or continue it if it is time."""
        ended, status = os.waitpid(self.pid, os.WNOHANG)
        if ended:
            self.status = os.waitstatus_to_exitcode(status)
            return
        step, seconds = self.request.get("kill") or (self.request.get("pause"), None)
        if self.begun is None and step and self._has_begun(step):
            self.begun = time.monotonic()
            if seconds is None:
                os.kill(self.pid, signal.SIGSTOP)
                self.paused = True
        if self.paused and alone:
            os.kill(self.pid, signal.SIGCONT)
            self.paused = False
        if self.begun is not None and seconds is not None and time.monotonic() >= self.begun + seconds:
            os.kill(self.pid, signal.SIGKILL)

    def _has_begun(self, step: str) -> bool:
        build = Path(self.request["build"]).name
        return any((Path(self.request["root"]) / "builds" / build / "tasks").glob(f"{step}-*.json"))


def start(request: dict) -> Rebuild:
    pid = os.fork()
    if pid:
        return Rebuild(request, pid)
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        rebuild(Path(request["config"]), Path(request["build"]))
        status = 0
    except PalmError as error:
        print(f"error: {error}", file=sys.stderr)
    except BaseException:
        status = 2
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def serve(requests: list[dict]) -> list[int]:
    """Run rebuilds at once; returns their exit statuses: 1 after a `PalmError`, 2 after any other error."""
    rebuilds = [start(request) for request in requests]
    while running := [one for one in rebuilds if one.status is None]:
        for one in running:
            one.watch(alone=len(running) == 1)
        time.sleep(0.002)
    return [one.status for one in rebuilds]


def main() -> None:
    preload()
    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
