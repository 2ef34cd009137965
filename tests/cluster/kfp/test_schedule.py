import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from support.cluster_commands import palm
from support.short_stack import on_a_short_stack

from palm.cluster.kfp.connection import Address, connect
from palm.cluster.kfp.run_references import REBUILD, ensure_experiment, publish_pipeline
from palm.cluster.kfp.schedule import Retired, Schedule, keep_schedule, remove_schedule
from palm.config.cluster import GPU_IMAGE, Cluster
from palm.errors import ClusterError

ROOT = Path(__file__).parents[3]
NIGHTLY, WEEKLY = "0 0 2 * * *", "0 0 2 * * MON"


@pytest.fixture
def connection(kfp):
    return connect(Address(kfp.url))


@pytest.fixture
def wanted(connection):
    version = on_a_short_stack(lambda: publish_pipeline(connection, REBUILD, Cluster()))
    return Schedule("small", NIGHTLY, version, {"config": "{}"})


def keep(connection, wanted, **settings):
    return keep_schedule(connection, dataclasses.replace(wanted, **settings), experiment="palm")


def only(kfp) -> dict:
    (run,) = kfp.recurring_runs.values()
    return run


def test_the_first_call_makes_it_and_the_same_call_changes_nothing(kfp, connection, wanted):
    first = keep(connection, wanted)
    assert first.change == "created" and first.retired == Retired([], {})
    made = only(kfp)
    assert made["trigger"] == {"cron_schedule": {"cron": NIGHTLY}}
    assert made["max_concurrency"] == "1" and made["no_catchup"] is True and made["status"] == "ENABLED"
    assert made["runtime_config"]["parameters"] == wanted.parameters
    kfp.requests.clear()
    second = keep(connection, wanted)
    assert second.change == "unchanged" and second.recurring_run_id == first.recurring_run_id
    assert {request.split()[0] for request in kfp.requests} == {"GET"}


@pytest.mark.parametrize(
    "settings",
    [{"cron": WEEKLY}, {"parameters": {"config": "[]"}}, {"enabled": False}, {"service_account": "builder"}],
    ids=lambda settings: next(iter(settings)),
)
def test_a_call_with_other_settings_replaces_it(kfp, connection, wanted, settings):
    first = keep(connection, wanted)
    seen = []
    kfp.on_request = lambda number: seen.append(len(kfp.recurring_runs))
    second = keep(connection, wanted, **settings)
    assert second.change == "replaced" and second.retired == Retired([first.recurring_run_id], {})
    assert only(kfp)["recurring_run_id"] == second.recurring_run_id
    assert min(seen) == 1, "there was a moment without a schedule"
    assert keep(connection, wanted, **settings).change == "unchanged"


def test_another_pipeline_or_experiment_replaces_it(kfp, connection, wanted):
    keep(connection, wanted)
    other = on_a_short_stack(lambda: publish_pipeline(connection, REBUILD, Cluster(parallel=8)))
    assert keep(connection, wanted, version=other).change == "replaced"
    moved = keep_schedule(connection, dataclasses.replace(wanted, version=other), experiment="elsewhere")
    assert moved.change == "replaced"
    assert only(kfp)["experiment_id"] == ensure_experiment(connection, "elsewhere")


@pytest.mark.parametrize("loses_answer", [False, True])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_call_that_is_cut_off_anywhere_is_completed_by_the_next(kfp, connection, wanted, before, loses_answer):
    """The server is gone at every request, before it is handled and after it: there always is a schedule."""

    def prepare():
        kfp.revive()
        kfp.recurring_runs.clear()
        if before:
            keep(connection, wanted)
        if before == 2:  # What an earlier call left that was cut off.
            left = {**only(kfp), "recurring_run_id": "left", "trigger": {"cron_schedule": {"cron": "0 0 3 * * *"}}}
            kfp.recurring_runs["left"] = left
        kfp.revive()

    ensure_experiment(connection, "palm")
    prepare()
    keep(connection, wanted, cron=WEEKLY)
    total = len(kfp.requests)
    assert total == 4 + 3 * before
    for number in range(total):
        prepare()
        existed = bool(kfp.recurring_runs)
        kfp.dies_at, kfp.loses_answer = number, loses_answer
        with pytest.raises(ClusterError, match="cannot be reached"):
            keep(connection, wanted, cron=WEEKLY)
        assert bool(kfp.recurring_runs) >= existed
        kfp.revive()
        kept = keep(connection, wanted, cron=WEEKLY)
        run = only(kfp)
        assert run["recurring_run_id"] == kept.recurring_run_id
        assert run["trigger"]["cron_schedule"]["cron"] == WEEKLY


def test_a_removal_whose_answer_is_lost_is_a_removal(kfp, connection, wanted):
    """The request is repeated, and there is nothing left to remove."""
    keep(connection, wanted)
    kfp.revive()
    keep(connection, wanted, cron=WEEKLY)
    removal = len(kfp.requests) - 1
    assert kfp.requests[removal].startswith("DELETE")
    kfp.revive()
    kfp.dies_at, kfp.loses_answer, kfp.comes_back = removal, True, True
    kept = keep(connection, wanted)
    assert kept.change == "replaced" and only(kfp)["recurring_run_id"] == kept.recurring_run_id
    assert [request.split()[0] for request in kfp.requests[-2:]] == ["DELETE", "DELETE"]


CHANGES = {
    "update": lambda connection, wanted: keep(connection, wanted, cron=WEEKLY).retired,
    "disable": lambda connection, wanted: keep(connection, wanted, enabled=False).retired,
    "delete": lambda connection, wanted: remove_schedule(connection, "small"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_never_touches_a_running_rebuild(kfp, connection, wanted, change):
    """A recurring run owns its runs: the old one stays, starts nothing, and is removed once they have ended."""
    old = keep(connection, wanted).recurring_run_id
    kfp.end_run(kfp.fire(old), "SUCCEEDED")
    running = kfp.fire(old)
    for _ in range(2):
        assert change(connection, wanted) == Retired([], {old: [running]})
        assert not kfp.interrupted and kfp.recurring_runs[old]["status"] == "DISABLED"
        assert kfp.fire(old) is None
    kfp.end_run(running, "FAILED")
    assert change(connection, wanted) == Retired([old], {})
    assert old not in kfp.recurring_runs and kfp.runs[running]["state"] == "FAILED"


def test_a_retired_schedule_is_never_taken_for_the_current_one(kfp, connection, wanted):
    """Not even if it is the newest, with the settings that are wanted."""
    old = keep(connection, wanted).recurring_run_id
    running = kfp.fire(old)
    assert remove_schedule(connection, "small").kept == {old: [running]}
    with pytest.raises(ClusterError, match="does not exist; leave out --update"):
        keep_schedule(connection, wanted, experiment="palm", must_exist=True)
    for settings in ({}, {"enabled": False}):
        made = keep(connection, wanted, **settings)
        assert made.recurring_run_id != old and old in made.retired.kept
        assert kfp.recurring_runs[old]["status"] == "DISABLED"
    assert keep(connection, wanted, enabled=False).change == "unchanged"


def test_a_run_that_starts_while_its_schedule_is_removed_goes_on(kfp, connection, wanted):
    """Between the search for its runs and its removal."""
    old = keep(connection, wanted).recurring_run_id
    started = []

    def late(number):
        if kfp.requests[-1].endswith("/runs") and not started:
            kfp.recurring_runs[old]["status"] = "ENABLED"  # The controller had not heard yet.
            started.append(kfp.fire(old))

    kfp.on_request = late
    assert remove_schedule(connection, "small").removed == [old]
    assert started and not kfp.interrupted


def test_the_command_says_what_it_keeps_and_until_when(kfp, schedule):
    schedule("--cron", NIGHTLY)
    old = only(kfp)["recurring_run_id"]
    running = kfp.fire(old)
    kept = f"recurring run {old}: kept, disabled, until run {running} has ended; a later call removes it"
    assert schedule("--cron", WEEKLY).stdout.splitlines()[-1] == kept
    result = json.loads(schedule("--cron", WEEKLY, "--json").stdout)
    assert result["kept"] == {old: [running]} and result["removed"] == [] and result["change"] == "unchanged"
    assert schedule("--delete").stdout.splitlines() == ["small: 1 removed", kept]
    kfp.end_run(running, "SUCCEEDED")
    assert schedule("--delete").stdout == "small: 1 removed\n"
    assert not kfp.recurring_runs and not kfp.interrupted


def test_a_killed_process_is_completed_by_the_next(kfp, cluster_workspace):
    """The command itself, killed while it waits for the answer to each request that changes something."""
    config = cluster_workspace / "portfolio.yaml"
    arguments = ["schedule", str(config), "--no-validate", "--host", kfp.url, "--cron"]
    code = "import sys; from palm.cli.main import main; sys.argv = ['palm', *sys.argv[1:]]; main()"
    palm(*arguments, NIGHTLY)
    kfp.revive()
    palm(*arguments, WEEKLY)
    changing = [number for number, request in enumerate(kfp.requests, start=1) if not request.startswith("GET")]
    # One is made, one disabled and removed. The first request, for the version, is not in the list.
    assert len(changing) == 3
    for number in changing:
        palm(*arguments, NIGHTLY)
        kfp.revive()
        process = subprocess.Popen([sys.executable, "-c", code, *arguments, WEEKLY], stdout=subprocess.PIPE)

        def kill(seen, number=number, process=process):
            if seen == number and process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()

        kfp.on_request = kill
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        kfp.on_request = lambda number: None
        assert 1 <= len(kfp.recurring_runs) <= 2
        palm(*arguments, WEEKLY)
        assert only(kfp)["trigger"]["cron_schedule"]["cron"] == WEEKLY


def test_two_calls_at_once_leave_one(kfp, connection, wanted):
    keep(connection, wanted, cron="0 0 4 * * *")
    for run in kfp.recurring_runs.values():
        run["created_at"] = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    crons = [f"0 {minute} 2 * * *" for minute in range(6)]

    def call(cron):
        keep(connect(Address(kfp.url)), wanted, cron=cron)

    threads = [threading.Thread(target=call, args=[cron]) for cron in crons]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert kfp.recurring_runs, "they have removed each other's"
    keep(connection, wanted)
    assert only(kfp)["trigger"]["cron_schedule"]["cron"] == NIGHTLY


def test_what_others_made_is_left_alone(kfp, connection, wanted):
    keep(connection, wanted)
    only(kfp)["description"] = "by hand"
    for call in (lambda: keep(connection, wanted, cron=WEEKLY), lambda: remove_schedule(connection, "small")):
        with pytest.raises(ClusterError, match="was not made by `palm schedule`"):
            call()
    assert only(kfp)["trigger"]["cron_schedule"]["cron"] == NIGHTLY
    assert keep(connection, wanted, name="other").change == "created"


def test_the_command_twice_leaves_one_with_the_new_settings(kfp, schedule):
    first = schedule("--cron", NIGHTLY).stdout.splitlines()
    assert first[0].startswith("small: created, recurring run ") and first[1].startswith("next (UTC): ")
    changed = ("--cron", WEEKLY, "--set", "cluster.tasks.memory=8Gi")
    second = schedule(*changed).stdout.splitlines()
    run = only(kfp)
    assert second[0] == f"small: replaced, 1 removed, recurring run {run['recurring_run_id']}"
    assert run["trigger"]["cron_schedule"]["cron"] == WEEKLY
    assert run["runtime_config"]["parameters"].keys() == {"config"}
    assert schedule(*changed).stdout.startswith("small: unchanged, ")
    before, now = kfp.versions.values()
    assert before["display_name"] != now["display_name"] and now["display_name"].startswith("rebuild-on-change-")
    assert run["pipeline_version_reference"]["pipeline_version_id"] == now["pipeline_version_id"]
    containers = [one["container"] for one in now["pipeline_spec"]["deploymentSpec"]["executors"].values()]
    on_gpus = [container["resources"] for container in containers if container["image"] == GPU_IMAGE]
    assert {resources["resourceMemoryLimit"] for resources in on_gpus} == {"8Gi"}


def test_the_role_of_the_job_allows_what_the_command_asks(kfp, schedule):
    """Where Kubeflow Pipelines serves several users."""
    roles = yaml.safe_load_all((ROOT / "manifests/base/roles.yaml").read_text())
    (role,) = [role for role in roles if role["kind"] == "Role" and role["metadata"]["name"] == "palm-schedule"]
    kfp.multi_user = True
    kfp.rights = {
        (resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]
    }
    team = ("--namespace", "team")
    schedule(*team, "--cron", NIGHTLY)
    (old,) = kfp.recurring_runs
    running = kfp.fire(old)
    assert schedule(*team, "--cron", WEEKLY).stdout.splitlines()[-1].startswith(f"recurring run {old}: kept")
    kfp.end_run(running, "SUCCEEDED")
    assert schedule(*team, "--delete").stdout == "small: 2 removed\n"
    kfp.rights -= {("jobs", "disable")}
    schedule(*team, "--cron", NIGHTLY)
    assert "403 User is not authorized" in schedule(*team, "--delete", code=1).stderr


def test_an_edited_prompt_file_reaches_the_schedule(kfp, schedule, cluster_workspace):
    schedule("--cron", NIGHTLY)
    with (cluster_workspace / "train.jsonl").open("a") as stream:
        stream.write(json.dumps({"prompt": "say yes"}) + "\n")
    assert schedule("--cron", NIGHTLY).stdout.startswith("small: replaced, 1 removed, ")
    only(kfp)


def test_update_disable_and_delete(kfp, schedule):
    missing = schedule("--cron", NIGHTLY, "--update", code=1)
    assert missing.stderr == "error: recurring run 'small': does not exist; leave out --update, or check --name\n"
    schedule("--cron", NIGHTLY)
    disabled = json.loads(schedule("--cron", NIGHTLY, "--update", "--disable", "--json").stdout)
    assert disabled["change"] == "replaced" and not disabled["enabled"] and len(disabled["next_times"]) == 3
    assert only(kfp)["status"] == "DISABLED"
    assert schedule("--delete").stdout == "small: 1 removed\n"
    assert schedule("--delete").stdout == "small: 0 removed\n"
    assert not kfp.recurring_runs


def test_a_wrong_cron_is_refused_before_any_request(kfp, schedule):
    stderr = schedule("--cron", "0 2 * * *", code=1).stderr
    assert stderr.startswith("error: cron='0 2 * * *': has 5 fields, must have 6: ") and stderr.count("\n") == 1
    assert not kfp.requests
    assert "--cron is not given" in schedule(code=1).stderr
