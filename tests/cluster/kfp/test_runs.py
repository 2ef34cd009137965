import json
from datetime import UTC, datetime, timedelta

import pytest
from support.cluster_commands import palm


@pytest.fixture
def history(kfp, submit):
    """Five runs an hour apart, each in another state, the second started by a schedule."""
    for _ in range(5):
        submit("--no-validate")
    started = datetime.now(UTC) - timedelta(hours=5)
    for index, run in enumerate(kfp.runs.values()):
        moment = started + timedelta(hours=index)
        run |= {"created_at": f"{moment:%Y-%m-%dT%H:%M:%SZ}", "display_name": f"small {index}", "state": "RUNNING"}
    first, second, third, fourth, _ = kfp.runs
    kfp.end_run(first, "SUCCEEDED", seconds=3725)
    kfp.end_run(second, "FAILED", "train-policy:\n out of memory", seconds=60)
    kfp.end_run(third, "CANCELED", seconds=1)
    kfp.end_run(fourth, "FAILED", seconds=5)
    kfp.runs[second]["recurring_run_id"] = "some-schedule"
    error = {"code": 2, "message": "exit code 1", "details": []}
    done = {"run_id": fourth, "task_id": "1", "display_name": "sample-reference", "state": "SUCCEEDED"}
    failed = {"run_id": fourth, "task_id": "2", "display_name": "train-policy", "state": "FAILED", "error": error}
    kfp.runs[fourth]["run_details"] = {"task_details": [done, failed]}
    return list(kfp.runs)


def runs(kfp, *arguments):
    return palm("runs", "--host", kfp.url, *arguments).stdout


def test_the_newest_first_in_words(kfp, history):
    table = runs(kfp)
    rows = [line for line in table.splitlines() if "small" in line and "│" in line]
    states = ["succeeded", "failed", "cancelled by hand", "failed", "running"]
    for row, number in zip(rows, (4, 3, 2, 1, 0), strict=True):
        wanted = (f"small {number}", states[number], "schedule" if number == 1 else "hand", history[number])
        assert all(part in row for part in wanted), row
    assert "1:02:05" in rows[4] and "0:01:00" in rows[3] and "1:00:" in rows[0]
    assert table.splitlines()[-2:] == ["small 3: train-policy: exit code 1", "small 1: train-policy: out of memory"]


def test_json_and_limit(kfp, history, monkeypatch):
    monkeypatch.setattr("palm.cluster.kfp.connection._PAGE", 2)
    found = json.loads(runs(kfp, "--json", "--limit", "4"))
    assert [run["run_id"] for run in found] == history[:0:-1]
    assert found[3] | {"started": ""} == {
        "run_id": history[1],
        "name": "small 1",
        "state": "failed",
        "started": "",
        "duration_seconds": 60.0,
        "scheduled": True,
        "error": "train-policy: out of memory",
        "link": f"{kfp.url}/#/runs/details/{history[1]}",
    }
    assert datetime.fromisoformat(found[3]["started"]).tzinfo is not None


def test_no_runs(kfp):
    assert runs(kfp, "--experiment", "other") == "no runs in experiment other\n"
    assert json.loads(runs(kfp, "--json")) == []
