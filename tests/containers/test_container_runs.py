"""Builds whose tasks run in containers of the project's image: the same results, and every failure is seen."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kfp import dsl, local
from support.workspace import edit_config

from palm.components import IMAGE

pytestmark = pytest.mark.container

PALM = Path(sys.executable).with_name("palm")
BUILD_SECONDS = 1800
SHORT_SECONDS = 60
POLICIES = 3
SAME = 1e-9
"""Two processes on one processor with the same libraries compute the same; the rest is for other processors' sake."""


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def succeed(answer: dsl.Output[dsl.Artifact]):
    """Write a file."""
    import os
    from pathlib import Path

    Path(answer.path).write_text(f"{os.getuid()}:{os.getgid()}")


def palm(*arguments, seconds: float = BUILD_SECONDS) -> subprocess.CompletedProcess:
    return subprocess.run([PALM, *arguments], capture_output=True, text=True, timeout=seconds)


def newest_build(folder: Path) -> Path:
    return max((folder / "builds").iterdir())


@pytest.fixture(scope="module")
def quickstarts(image, tmp_path_factory) -> dict[str, tuple[Path, str]]:
    """The quickstart with larger cells twice, nothing in common: ``(build, what was shown)`` by how its tasks ran.

    In containers policies come in groups, in processes each has tasks of its own.
    """
    builds = {}
    for way, options in {"containers": ["--image", image], "processes": []}.items():
        folder = tmp_path_factory.mktemp(way) / "quickstart"
        assert palm("init", folder).returncode == 0
        edit_config(folder, design__delta=0.2, selection__size=2, promotion__max_epsilon=1.0, promotion__min_gain=-1.0)
        if way == "containers":
            edit_config(folder, training__together=2)
        run = palm("run", folder / "portfolio.yaml", *options)
        assert run.returncode == 0, run.stdout + run.stderr
        builds[way] = newest_build(folder), run.stdout
    return builds


def test_the_quickstart_in_groups_in_containers_is_the_quickstart(quickstarts):
    groups = {way: len(list(build.glob("steps/*/*/train-policies"))) for way, (build, _) in quickstarts.items()}
    assert groups == {"containers": 2, "processes": POLICIES}
    here, there = (json.loads((build / "summary.json").read_text()) for build, _ in quickstarts.values())
    for key in ("policy", "weights", "backend", "guard"):
        assert [policy[key] for policy in here["policies"]] == [policy[key] for policy in there["policies"]]
    for summary in (here, there):
        assert len(summary["policies"]) == POLICIES and not any(policy["reused"] for policy in summary["policies"])
    assert here["selection"]["portfolio"] == there["selection"]["portfolio"]
    for key in ("value_vector", "kl", "objective"):
        for policy, other in zip(here["policies"], there["policies"], strict=True):
            assert policy[key] == pytest.approx(other[key], abs=SAME)
    assert here["selection"]["epsilon"] == pytest.approx(there["selection"]["epsilon"], abs=SAME)
    assert here["promotion"]["promoted"] and there["promotion"]["promoted"]


def test_progress_is_shown_while_containers_run(quickstarts):
    build, shown = quickstarts["containers"]
    assert len(re.findall(r"✓ train_policy", shown)) == POLICIES
    assert re.search(r"✓ report ", shown)
    log = (build / "run.log").read_text()
    assert f"Found image '{IMAGE}'" in log
    assert "[palm-worker" not in log


@pytest.mark.parametrize("user", ["12345:54321", None])
def test_a_task_runs_as_any_user(image, tmp_path, user):
    if user:
        os.chown(tmp_path, *map(int, user.split(":")))
    runner = local.DockerRunner(network_mode="none", **({"user": user} if user else {}))
    tmp_path.chmod(0o700 if user else 0o777)
    local.init(runner=runner, pipeline_root=str(tmp_path))
    task = succeed()
    assert Path(task.outputs["answer"].path).read_text() == (user or "65532:65532")


def spoil(workspace: Path, statement: str) -> None:
    """Make a reward go wrong where it scores a whole step's responses, which no check before the build does."""
    rewards = workspace / "rewards.py"
    rewards.write_text(rewards.read_text().replace('"""Share of vowels."""', f"if len(responses) > 3: {statement}"))


def test_a_build_names_the_step_that_failed_in_its_container(image, workspace):
    spoil(workspace, 'raise OSError("no such vowel")')
    run = palm("run", workspace / "portfolio.yaml", "--image", image)
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == 1
    assert run.stderr.startswith("error: sample_reference: ") and "no such vowel" in run.stderr
    build = newest_build(workspace)
    assert "no such vowel" in (build / "outcome.md").read_text()
    assert "no such vowel" in (build / "report.html").read_text() and not (build / "summary.json").exists()


@pytest.mark.parametrize("again", range(3))
def test_a_build_tells_of_a_container_that_was_killed(image, workspace, again):
    """Several times: now and then KFP, asking too late how a container ended, believes that it succeeded."""
    spoil(workspace, "import os; os.kill(os.getpid(), 9)")
    run = palm("run", workspace / "portfolio.yaml", "--image", image)
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == 1
    assert run.stderr.startswith("error: sample_reference: ") and "ended without reporting why: killed" in run.stderr
    assert "| sample_reference |" in (newest_build(workspace) / "outcome.md").read_text()


def test_an_interrupted_build_leaves_no_container(daemon, image, workspace):
    edit_config(workspace, base_model__tiny__steps=100000)
    process = subprocess.Popen([PALM, "run", workspace / "portfolio.yaml", "--image", image])
    deadline = time.monotonic() + SHORT_SECONDS
    while not daemon.containers.list() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert daemon.containers.list()
    process.send_signal(signal.SIGINT)
    assert process.wait(SHORT_SECONDS) != 0
    assert daemon.containers.list(all=True) == []


def test_an_image_that_is_not_there_is_told_before_anything_starts(daemon, workspace):
    run = palm("run", workspace / "portfolio.yaml", "--image", "localhost/palm:none", seconds=SHORT_SECONDS)
    assert run.returncode == 1
    assert run.stderr.startswith("error: image=localhost/palm:none: is not on this machine; make it")
    assert not (workspace / "builds").exists()
