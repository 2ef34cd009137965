"""Every alert fires when it must and is silent when it must not, as Prometheus itself evaluates it."""

import json
import shutil
import subprocess

import pytest
import yaml
from cluster.monitoring.test_manifests import COMPONENT, alerts

pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool: apt-get install prometheus")
LABELS = {"namespace": "palm", "portfolio": "small"}
BOUND, GAP, LIMIT = "palm_champion_gap_bound_ratio", "palm_champion_gap_ratio", "palm_gap_limit_ratio"
SPENT, USUAL = "palm_last_build_device_seconds", "palm_usual_rebuild_device_seconds"
CHECK, FAILED = "palm_last_check_timestamp_seconds", "palm_failed_runs_in_a_row"

# Time starts at 0. Of each alert: series that make it fire and when; series that must not, and when.
FIRES = {
    "PalmScheduleSilent": [({CHECK: "0x2000"}, "26h20m")],
    "PalmNeverRan": [({"palm_storage_up": "1x2000"}, "26h5m")],
    "PalmRunFailed": [({FAILED: "1x9"}, "1m"), ({FAILED: "2x9"}, "1m")],
    "PalmRunsKeepFailing": [({FAILED: "3x9"}, "1m")],
    "PalmGateKeepsRefusing": [({"palm_refused_rebuilds_in_a_row": "3x9"}, "1m")],
    "PalmGapAboveLimit": [
        ({BOUND: "0.11x30", GAP: "0.09x30", LIMIT: "0.1x30"}, "15m"),
        ({GAP: "0.11x30", LIMIT: "0.1x30"}, "15m"),
    ],
    "PalmTrainingMarked": [({"palm_last_build_marked_policies": "1x9"}, "1m")],
    "PalmPromotionLogProblem": [({"palm_promotion_log_problems": "1x30"}, "15m")],
    "PalmRebuildCostly": [({SPENT: "7000x9", USUAL: "2000x9"}, "1m"), ({SPENT: "3700x9", USUAL: "0x9"}, "1m")],
    "PalmMlflowUnreadable": [({"palm_mlflow_up": "0x30"}, "15m")],
    "PalmStorageUnreadable": [({"palm_storage_up": "0x30"}, "15m")],
    "PalmExporterAbsent": [({}, "20m"), ({"palm_storage_up": "1x30 _x90"}, "60m")],
}
SILENT = {
    "PalmScheduleSilent": [({CHECK: "0x2000"}, "26h10m"), ({CHECK: "0x1440 86400x600"}, "28h"), ({}, "30h")],
    "PalmNeverRan": [
        ({"palm_storage_up": "1x2000"}, "25h"),
        ({"palm_storage_up": "1x2000", CHECK: "0x2000"}, "27h"),
        ({"palm_storage_up": "0x2000"}, "27h"),
    ],
    "PalmRunFailed": [({FAILED: "0x9"}, "1m"), ({FAILED: "3x9"}, "1m")],
    "PalmRunsKeepFailing": [({FAILED: "2x9"}, "1m")],
    "PalmGateKeepsRefusing": [({"palm_refused_rebuilds_in_a_row": "2x9"}, "1m")],
    "PalmGapAboveLimit": [
        ({BOUND: "0.1x30", GAP: "0.09x30", LIMIT: "0.1x30"}, "15m"),
        ({BOUND: "0.11x30", LIMIT: "0.1x30"}, "5m"),
        ({LIMIT: "0.1x30"}, "15m"),
    ],
    "PalmTrainingMarked": [({"palm_last_build_marked_policies": "0x9"}, "1m")],
    "PalmPromotionLogProblem": [
        ({"palm_promotion_log_problems": "0x30"}, "15m"),
        ({"palm_promotion_log_problems": "1x5 0x30"}, "15m"),
    ],
    "PalmRebuildCostly": [
        ({SPENT: "5000x9", USUAL: "2000x9"}, "1m"),
        ({SPENT: "3000x9", USUAL: "10x9"}, "1m"),
        ({SPENT: "9000x9"}, "1m"),
    ],
    "PalmMlflowUnreadable": [({"palm_mlflow_up": "1x30"}, "15m"), ({"palm_mlflow_up": "0x5 1x30"}, "15m")],
    "PalmStorageUnreadable": [({"palm_storage_up": "1x30"}, "15m"), ({"palm_storage_up": "0x5 1x30"}, "15m")],
    "PalmExporterAbsent": [({"palm_storage_up": "0x90"}, "80m"), ({"palm_storage_up": "1x30 _x10 1x60"}, "42m")],
}


def rules(folder, *, annotations: bool) -> dict:
    """The rules as Prometheus reads them, beside a test."""
    spec = yaml.safe_load((COMPONENT / "prometheus_rule.yaml").read_text())["spec"]
    for group in spec["groups"]:
        for rule in group["rules"]:
            if not annotations:  # promtool compares all of them.
                del rule["annotations"]
    (folder / "rules.yaml").write_text(yaml.safe_dump(spec))
    return {"rule_files": ["rules.yaml"], "evaluation_interval": "1m"}


def series(values: dict[str, str], **more: str) -> list[dict]:
    labels = ",".join(f'{key}="{value}"' for key, value in {**LABELS, "pod": "palm-exporter-1", **more}.items())
    return [{"series": f"{name}{{{labels}}}", "values": steps} for name, steps in values.items()]


def case(values: dict, when: str, alert: str, expected: list[dict]) -> dict:
    check = {"eval_time": when, "alertname": alert, "exp_alerts": expected}
    return {"interval": "1m", "input_series": series(values), "alert_rule_test": [check]}


def promtool(folder, *arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def run_cases(folder, cases: list[dict], *, annotations: bool = False) -> None:
    (folder / "test.yaml").write_text(yaml.safe_dump({**rules(folder, annotations=annotations), "tests": cases}))
    promtool(folder, "test", "rules", "test.yaml")


def test_every_alert_fires_and_is_silent(tmp_path):
    found = {alert["alert"]: alert for alert in alerts()}
    assert set(found) == set(FIRES) == set(SILENT)
    cases = []
    for name, alert in found.items():
        for values, when in FIRES[name]:
            # Nothing is known of a portfolio whose metrics were never there.
            labels = {"severity": alert["labels"]["severity"], **(LABELS if values else {})}
            cases.append(case(values, when, name, [{"exp_labels": labels}]))
        cases += [case(values, when, name, []) for values, when in SILENT[name]]
    run_cases(tmp_path, cases)


def test_annotations_are_filled_in(tmp_path):
    found = {alert["alert"]: alert for alert in alerts()}
    filled = {
        "PalmScheduleSilent": "No run of small has ended for 1d 2h 20m 0s",
        "PalmRunsKeepFailing": "3 runs of small in a row failed",
        "PalmExporterAbsent": "Prometheus gets no metrics of palm for small",
    }
    cases = []
    for name, summary in filled.items():
        values, when = FIRES[name][-1]
        labels = {"severity": found[name]["labels"]["severity"], **LABELS}
        texts = {**found[name]["annotations"], "summary": summary}
        cases.append(case(values, when, name, [{"exp_labels": labels, "exp_annotations": texts}]))
    run_cases(tmp_path, cases, annotations=True)
    promtool(tmp_path, "check", "rules", "rules.yaml")


def test_prometheus_understands_every_query_of_the_dashboard(tmp_path):
    panels = json.loads((COMPONENT / "dashboard.json").read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    # Rules are what promtool parses; Grafana fills in the variables.
    entries = [
        {"record": f"palm:{number}", "expr": query.replace("$namespace", ".*").replace("$portfolio", ".*")}
        for number, query in enumerate(queries)
    ]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": entries}]}))
    promtool(tmp_path, "check", "rules", "queries.yaml")
    assert len(entries) > 20


def test_an_exporter_that_is_there_hides_none_that_is_not(tmp_path):
    name, lost = "PalmExporterAbsent", {**LABELS, "portfolio": "lost"}
    check = case({"palm_storage_up": "1x99"}, "60m", name, [{"exp_labels": {"severity": "warning", **lost}}])
    check["input_series"] += series({"palm_storage_up": "1x30 _x90"}, portfolio="lost")
    run_cases(tmp_path, [check])


def test_a_restarted_exporter_is_no_new_alert(tmp_path):
    name = "PalmMlflowUnreadable"
    check = case({}, "12m", name, [{"exp_labels": {"severity": "critical", **LABELS}}])
    check["input_series"] = [
        *series({"palm_mlflow_up": "0x6 stale"}),
        *series({"palm_mlflow_up": "_x6 0x20"}, pod="palm-exporter-2"),
    ]
    run_cases(tmp_path, [check])
