"""Manifests of monitoring: ports and labels agree, rules and dashboard name only exported metrics."""

import json
import re

import pytest
import yaml
from support.built_manifests import MANIFESTS, built, find

from palm.cluster.monitoring.metrics import METRICS

COMPONENT = MANIFESTS / "components" / "monitoring"
OPERATIONS = MANIFESTS.parent / "docs" / "operations.md"
NAMES = {metric.name for metric in METRICS}


def named(expression: str) -> set[str]:
    return set(re.findall(r"\bpalm_\w+", expression))


def alerts() -> list[dict]:
    rule = yaml.safe_load((COMPONENT / "prometheus_rule.yaml").read_text())
    return [entry for group in rule["spec"]["groups"] for entry in group["rules"]]


@pytest.fixture(scope="module")
def objects():
    return built("components/monitoring")


def test_prometheus_reaches_the_port_that_the_exporter_has(objects):
    by_kind = {thing["kind"]: thing for thing in objects}
    template = by_kind["Deployment"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    (port,) = container["ports"]
    labels = template["metadata"]["labels"].items()
    assert by_kind["PodMonitor"]["spec"]["podMetricsEndpoints"][0]["port"] == port["name"]
    assert by_kind["NetworkPolicy"]["spec"]["ingress"][0]["ports"][0]["port"] == port["containerPort"] == 9464
    for selector in (
        by_kind["PodMonitor"]["spec"]["selector"],
        by_kind["NetworkPolicy"]["spec"]["podSelector"],
        by_kind["Deployment"]["spec"]["selector"],
    ):
        assert selector["matchLabels"].items() <= labels


def test_rules_name_only_metrics_that_are_exported_and_a_section_of_the_handbook():
    found = alerts()
    assert len({alert["alert"] for alert in found}) == len(found)
    for alert in found:
        assert named(alert["expr"]) and named(alert["expr"]) <= NAMES, alert["alert"]
        assert alert["labels"]["severity"] in ("critical", "warning", "info")
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
        assert alert["annotations"]["runbook_url"] == f"docs/operations.md#alert-{alert['alert'].lower()}"


def test_every_alert_and_every_metric_is_in_the_handbook():
    text = OPERATIONS.read_text()
    headings = set(re.findall(r"^#+ Alert (\w+)$", text, re.MULTILINE))
    assert headings == {alert["alert"] for alert in alerts()}
    assert not {name for name in NAMES if not re.search(rf"`{name}(\{{\w+\}})?`", text)}


def test_the_dashboard_shows_every_metric_and_no_other(objects):
    map_ = find(objects, "ConfigMap", "palm-dashboard")
    labels = {"grafana_dashboard": "1", "app.kubernetes.io/part-of": "palm"}
    assert labels.items() <= map_["metadata"]["labels"].items()
    dashboard = json.loads(map_["data"]["palm.json"])
    assert dashboard["uid"] == "palm-portfolio" and dashboard["schemaVersion"] == 39
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert set(variables) == {"DS_PROMETHEUS", "namespace", "portfolio"}
    assert variables["DS_PROMETHEUS"]["type"] == "datasource" and variables["DS_PROMETHEUS"]["query"] == "prometheus"
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = set()
    for panel in panels:
        left, top, width, height = (panel["gridPos"][key] for key in "xywh")
        own = {(x, y) for x in range(left, left + width) for y in range(top, top + height)}
        assert not own & cells and max(x for x, _ in own) < 24, panel["title"]
        cells |= own
    drawn = [panel for panel in panels if panel["type"] != "row"]
    uses = {name for panel in drawn for target in panel["targets"] for name in named(target["expr"])}
    assert uses == NAMES
    for panel in drawn:
        assert panel["datasource"]["uid"] == "${DS_PROMETHEUS}" and panel["description"]
        assert all("$portfolio" in target["expr"] for target in panel["targets"])
