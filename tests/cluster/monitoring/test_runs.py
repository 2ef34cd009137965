"""Figures of runs, from real records: also damaged ones and those of other portfolios."""

import logging
import shutil
from itertools import zip_longest
from pathlib import Path

import pytest

from palm.artifacts.outcome import Outcome, PolicyStates
from palm.cluster.monitoring import metrics
from palm.cluster.monitoring.run_figures import RunFigures, run_figures
from palm.errors import StorageError
from palm.storage.records import Records


def outcome(state: str, ended: float, seconds: float) -> Outcome:
    return Outcome(
        build=f"run-{ended}",
        state=state,
        headline=state,
        changes=(),
        failures=(),
        policies=PolicyStates(trained=(), continued=(), reused=(), failed=(), not_started=()),
        device_seconds=seconds,
        device_seconds_saved=0.0,
        ended=ended,
    )


def history_of(*states: str, seconds=()) -> list[Outcome]:
    costs = zip_longest(states, seconds, fillvalue=0.0)
    return [outcome(state, 100.0 + number, cost) for number, (state, cost) in enumerate(costs)]


def test_runs_that_fail_and_rebuilds_that_are_refused_are_counted_since_the_last_that_were_not():
    figures = run_figures(history_of("promoted", "refused", "failed", "refused", "unchanged", "failed", "failed"))
    assert figures[metrics.FAILED_IN_A_ROW] == 2 and figures[metrics.REFUSED_IN_A_ROW] == 2
    assert figures[metrics.RUNS] == {"promoted": 1, "refused": 2, "failed": 3, "unchanged": 1}
    assert figures[metrics.LAST_CHECK] == figures[metrics.LAST_FAILED] == 106 and figures[metrics.LAST_REBUILD] == 103
    assert run_figures(history_of("failed", "unchanged"))[metrics.FAILED_IN_A_ROW] == 0
    assert run_figures(history_of("refused", "promoted"))[metrics.REFUSED_IN_A_ROW] == 0
    assert metrics.LAST_REBUILD not in run_figures(history_of("failed"))


def test_what_is_usual_is_the_median_of_finished_rebuilds_before_the_last_one():
    costs = (900.0, 10.0, 20.0, 30.0, 40.0)
    states = ("promoted", "refused", "promoted", "promoted", "promoted")
    assert metrics.USUAL_SECONDS not in run_figures(history_of(*states, seconds=costs))
    figures = run_figures(history_of(*states, "promoted", "unchanged", seconds=(*costs, 700.0)))
    assert figures[metrics.USUAL_SECONDS] == 30 and figures[metrics.LAST_BUILD_SECONDS] == 700
    failed = run_figures(history_of(*states, "failed", seconds=(*costs, 5.0)))
    assert failed[metrics.USUAL_SECONDS] == 30 and failed[metrics.LAST_BUILD_SECONDS] == 5


@pytest.mark.parametrize("home", ["folder", "s3"])
def test_records_of_runs_are_read_once_and_damaged_ones_are_counted(config, runs, request, home, caplog, monkeypatch):
    if home == "s3":
        request.getfixturevalue("s3")
        config = config.model_copy(update={"storage": config.storage.model_copy(update={"root": "s3://palm/store"})})
        runs = type(runs)(config, Path(config.registry.tracking_uri.removeprefix("sqlite:///")).parent, monkeypatch)
    records = Records(config.storage.root)
    runs.record("one", trained=[{}], reused=[5.0])
    runs.record("two", promoted=False, trained=[{"start": "policy-x"}])
    # A running one, one of another portfolio, and one of a palm that did not record the owner.
    records.write("builds/on/build", records.read("builds/one/build"))
    records.write("builds/other/build", {**records.read("builds/one/build"), "model": "another"})
    records.write("builds/other/outcome", records.read("builds/one/outcome"))
    records.write("builds/old/outcome", records.read("builds/one/outcome"))
    reader = RunFigures(config)
    figures = reader.read()
    assert figures[metrics.RUNS] == {"promoted": 1, "refused": 1, "failed": 0, "unchanged": 0}
    assert figures[metrics.LAST_BUILD_POLICIES]["continued"] == 1 and figures[metrics.LAST_BUILD_MARKED] == 0
    assert figures[metrics.SPENT_TOTAL] == 60 and figures[metrics.SAVED_TOTAL] == 5 and figures[metrics.DAMAGED] == 0
    # What has ended is not read again; what is new is.
    records.write("builds/one/outcome", {})
    runs.record("three", failing=True)
    for number, broken in enumerate(({"state": "odd"}, {"state": "failed", "policies": 3}, {"ended": -1.0})):
        whole = records.read("builds/two/outcome")
        records.write(f"builds/broken-{number}/build", records.read("builds/one/build"))
        records.write(f"builds/broken-{number}/outcome", {**whole, **broken})
    with caplog.at_level(logging.WARNING, "palm"):
        figures = reader.read()
        assert reader.read() == figures
    assert figures[metrics.RUNS] == {"promoted": 1, "refused": 1, "failed": 1, "unchanged": 0}
    assert figures[metrics.FAILED_IN_A_ROW] == 1 and figures[metrics.LAST_BUILD_POLICIES]["failed"] == 1
    assert figures[metrics.DAMAGED] == 3
    found = [message for message in caplog.messages if "/outcome.json: is not a record of type Outcome" in message]
    assert [message.split("/outcome")[0][-8:] for message in found] == [f"broken-{number}" for number in range(3)]
    # A run that failed may be tried again under its name.
    failed = records.read("builds/three/outcome")
    records.write("builds/three/outcome", {**failed, "state": "promoted", "device_seconds": 7})
    figures = reader.read()
    assert figures[metrics.RUNS]["promoted"] == 2 and figures[metrics.SPENT_TOTAL] == 67


def test_a_record_that_is_no_json_is_counted_and_a_counter_never_falls(config, runs, caplog):
    runs.record("one", trained=[{}])
    reader = RunFigures(config)
    assert reader.read()[metrics.SPENT_TOTAL] == 30
    runs.record("two", trained=[{}])
    Path(runs.root, "builds", "two", "outcome.json").write_text("{")
    assert reader.read()[metrics.DAMAGED] == 1 and "is not a JSON object" in caplog.text
    shutil.rmtree(Path(runs.root, "builds", "one"))
    figures = reader.read()
    assert figures[metrics.RUNS]["promoted"] == 0 and figures[metrics.SPENT_TOTAL] == 30


def test_a_storage_that_is_not_there_is_an_error(config):
    with pytest.raises(StorageError):
        RunFigures(config).read()
