"""Rebuilds in forked processes: for each line on stdin, a list of rebuilds that begin together, their exit statuses.

A rebuild is ``{"config": …, "root": …, "build": …}``: its configuration file, the storage's folder and a folder for
its files, which names it. With ``"kill": [STEP, SECONDS]`` in it, it is killed so long after the step has begun, if it
still runs then; with ``"pause": STEP`` it is halted at the step until the others have ended.
A rebuild is the pipeline's steps in the pipeline's order, as its tasks do them. The imports are done once, here, so
that thirty rebuilds can be started and killed in minutes.
"""

import json
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from palm.build_record import BUILD_VARIABLE, recorded
from palm.config_file import load_config
from palm.errors import PalmError
from palm.stages.detect_change import detect_change
from palm.workers import run_step

SNAPSHOT_IS_CHECKED_BY = ("prepare_base_model", "sample_reference", "plan_training", "register_portfolio")
OF_TRAINING = ("policy", "weights", "reused", "start", "device_seconds", "guard")
"""What the record of a training holds, as in its component."""


def rebuild(config_file: Path, build: Path) -> None:
    """Do what `palm run --if-changed` does, in this process."""
    os.environ[BUILD_VARIABLE] = build.name
    build.mkdir(parents=True)
    config = load_config(config_file)
    text = config.to_json()

    with recorded(config.storage.root, "detect_change") as record:
        found = detect_change(config, build / "changes.md")
        record.update(changed=found.changed, lines=found.lines)
    if not found.changed:
        return
    snapshot = json.dumps(found.snapshot)

    def step(name: str, *values, result: tuple[str, ...] = (), **paths):
        given = {
            key: [str(path) for path in value] if isinstance(value, list) else str(value)
            for key, value in paths.items()
        }
        checked = snapshot if name in SNAPSHOT_IS_CHECKED_BY else ""
        return run_step(name, text, *values, label=json.dumps(values)[:60], snapshot=checked, result=result, **given)

    base = {"base_model": build / "base"}
    step("prepare_base_model", destination=build / "base")
    step("sample_reference", **base, destination=build / "rollouts")
    base["rollouts"] = build / "rollouts"
    step("design_grid", result=("weights",), rollouts=build / "rollouts", destination=build / "design")
    plan = step("plan_training", snapshot, **base, design=build / "design", destination=build / "plan")
    policies = [build / f"policy-{index}" for index in range(len(plan["trainings"]))]
    evaluations = [build / f"evaluation-{index}" for index in range(len(policies))]
    for training, policy, evaluation in zip(plan["trainings"], policies, evaluations, strict=True):
        values = training["weights"], training["keep"], training["start"]
        step("train_policy", *values, result=OF_TRAINING, **base, destination=policy)
        step("evaluate_policy", **base, policy=policy, destination=evaluation)
    made = {"selection": build / "selection", "plan": build / "plan"}
    step("select_portfolio", evaluations=evaluations, plan=build / "plan", destination=build / "selection")
    design = {"design": build / "design"}
    step(
        "register_portfolio", build.name, snapshot, **made, **design, policies=policies, base_model=build / "base",
        destination=build / "registration",
    )  # fmt: skip
    made |= {"registration": build / "registration", "evaluations": evaluations}
    step("promote_portfolio", build.name, **made, destination=build / "verdict", page=build / "gate.md")
    step(
        "report", build.name, **made, **design, rollouts=build / "rollouts", policies=policies,
        verdict=build / "verdict", page=build / "report.html", summary=build / "summary.json",
    )  # fmt: skip


@dataclass
class Rebuild:
    """One that runs.

    Attributes:
        request: as it was asked for.
        pid: its process.
        status: its exit status, or minus the signal that ended it; None while it runs.
        begun: when the step that is waited for has begun.
        paused: whether it is halted.
    """

    request: dict
    pid: int
    status: int | None = None
    begun: float | None = None
    paused: bool = False

    def watch(self, *, alone: bool) -> None:
        """Look once whether it has ended, and do to it what is to be done now."""
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
    """Have rebuilds done at once; returns their exit statuses: 1 after a `PalmError`, 2 after any other error."""
    rebuilds = [start(request) for request in requests]
    while running := [one for one in rebuilds if one.status is None]:
        for one in running:
            one.watch(alone=len(running) == 1)
        time.sleep(0.002)
    return [one.status for one in rebuilds]


def main() -> None:
    import trl  # noqa: F401  Everything that a training imports, before the first fork.
    from trl import RLOOConfig, RLOOTrainer  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
