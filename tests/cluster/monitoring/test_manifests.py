"""The manifests as an API server takes them, and that rules and dashboard name only what there is."""

import json
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from support.custom_resources import CustomResource
from support.schemas import needs_schemas

from palm.cluster.monitoring.metrics import METRICS

ROOT = Path(__file__).parents[3]
COMPONENT = ROOT / "manifests" / "components" / "monitoring"
KUBECTL = Path(sys.executable).with_name("kubectl")
OPERATIONS = ROOT / "docs" / "operations.md"
NAMES = {metric.name for metric in METRICS}
KINDS = {
    "PodMonitor": "monitoring.coreos.com_podmonitors.yaml",
    "PrometheusRule": "monitoring.coreos.com_prometheusrules.yaml",
}


def named(expression: str) -> set[str]:
    return set(re.findall(r"\bpalm_\w+", expression))


def alerts() -> list[dict]:
    rule = yaml.safe_load((COMPONENT / "prometheus_rule.yaml").read_text())
    return [entry for group in rule["spec"]["groups"] for entry in group["rules"]]


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    folder = tmp_path_factory.mktemp("overlay")
    # kustomize takes components by relative paths only.
    relative = Path(*[".."] * (len(folder.resolve().parts) - 1), *COMPONENT.parts[1:])
    overlay = {"kind": "Kustomization", "namespace": "palm", "components": [str(relative)]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    built = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return list(yaml.safe_load_all(built.stdout))


@needs_schemas
def test_every_object_is_valid_and_labelled(objects):
    for thing in objects:
        assert thing["metadata"]["labels"]["app.kubernetes.io/part-of"] == "palm", thing["kind"]
        if thing["kind"] in KINDS:
            assert CustomResource(KINDS[thing["kind"]]).problems(thing) == []
            continue
        for version in ("1.35", "1.36", "1.37"):
            kubernetes_validate.validate(thing, version, strict=True)


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


@pytest.mark.skipif(not OPERATIONS.exists(), reason="docs/operations.md is not written yet")
def test_every_alert_and_every_metric_is_in_the_handbook():
    text = OPERATIONS.read_text()
    headings = set(re.findall(r"^#+ Alert (\w+)$", text, re.MULTILINE))
    assert headings == {alert["alert"] for alert in alerts()}
    assert not {name for name in NAMES if not re.search(rf"`{name}(\{{\w+\}})?`", text)}


def test_the_dashboard_shows_every_metric_and_no_other(objects):
    (map_,) = (thing for thing in objects if thing["kind"] == "ConfigMap")
    assert map_["metadata"]["name"] == "palm-dashboard" and map_["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(map_["data"]["palm.json"])
    assert dashboard["uid"] == "palm-portfolio" and dashboard["schemaVersion"] == 39
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert set(variables) == {"DS_PROMETHEUS", "namespace", "portfolio"}
    assert variables["DS_PROMETHEUS"]["type"] == "datasource" and variables["DS_PROMETHEUS"]["query"] == "prometheus"
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = set()
    for panel in panels:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells and max(x for x, _ in own) < 24, panel["title"]
        cells |= own
    drawn = [panel for panel in panels if panel["type"] != "row"]
    uses = {name for panel in drawn for target in panel["targets"] for name in named(target["expr"])}
    assert uses == NAMES
    for panel in drawn:
        assert panel["datasource"]["uid"] == "${DS_PROMETHEUS}" and panel["description"]
        assert all("$portfolio" in target["expr"] for target in panel["targets"])
