"""Rebuilds in forked processes: for each line ``{"config": …, "build": …}`` on stdin an exit status on stdout.

With ``"kill": [STEP, SECONDS]`` in it the rebuild is killed so long after the step has begun, if it still runs then.
A rebuild is the pipeline's steps in the pipeline's order, as its tasks do them. The imports are done once, here, so
that thirty rebuilds can be started and killed in minutes.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from palm.build_record import BUILD_VARIABLE, recorded
from palm.config_file import load_config
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


def serve(request: dict) -> int:
    """Start a rebuild, kill it if wanted, and wait for its end; returns its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            rebuild(Path(request["config"]), Path(request["build"]))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    step, seconds = request.get("kill") or (None, 0.0)
    begun = None
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        if begun is None and step and _has_begun(request, step):
            begun = time.monotonic()
        if begun is not None and time.monotonic() >= begun + seconds:
            os.kill(pid, signal.SIGKILL)
            ended = os.waitpid(pid, 0)
            break
        time.sleep(0.002)
    return os.waitstatus_to_exitcode(ended[1])


def _has_begun(request: dict, step: str) -> bool:
    records = Path(request["root"]) / "builds" / Path(request["build"]).name / "tasks"
    return any(records.glob(f"{step}-*"))


def main() -> None:
    import trl  # noqa: F401  Everything that a training imports, before the first fork.
    from trl import RLOOConfig, RLOOTrainer  # noqa: F401

    for line in sys.stdin:
        print(serve(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
