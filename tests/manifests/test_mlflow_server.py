"""The MLflow server of the manifests: host names, log-in and probes."""

import pytest
import requests
from support.built_manifests import built, container_of, find, pod_of
from support.mlflow_server import CONTAINER, USER

SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
OURS = ["mlflow", "mlflow:5000", "mlflow.palm.svc", "mlflow.palm.svc:5000", "mlflow.palm.svc.cluster.local"]
OURS += ["mlflow.palm.svc.cluster.local:5000", "localhost", "localhost:5000", "127.0.0.1:5000"]
FOREIGN = ["mlflow.example.com", "attacker.example", "mlflow.palm.svc.attacker.example", "mlflowx", "10.0.0.7:5000"]


def ask(server, path: str, host: str, password: str | None = None) -> int:
    auth = (USER, password) if password else None
    return requests.get(server.uri + path, headers={"Host": host}, auth=auth, timeout=30).status_code


def probe(server, name: str, host: str | None = None) -> bool:
    """What the kubelet does: an address, its headers, and any code from 200 to 399 is fine."""
    request = CONTAINER[f"{name}Probe"]["httpGet"]
    headers = {header["name"]: header["value"] for header in request.get("httpHeaders", [])}
    if host:
        headers["Host"] = host
    answer = requests.get(server.uri + request["path"], headers=headers, allow_redirects=False, timeout=30)
    return 200 <= answer.status_code < 400


@pytest.mark.parametrize("host", OURS)
def test_it_answers_to_the_names_of_its_service(mlflow_server, host):
    assert ask(mlflow_server, SEARCH, host, mlflow_server.password) == 200
    assert ask(mlflow_server, SEARCH, host) == 401
    assert ask(mlflow_server, SEARCH, host, "wrong-password-of-tests") == 401


@pytest.mark.parametrize("host", FOREIGN)
def test_it_refuses_other_names_even_with_the_password(mlflow_server, host):
    assert ask(mlflow_server, SEARCH, host, mlflow_server.password) == 403


@pytest.mark.parametrize("name", ["startup", "readiness"])
def test_it_is_ready_only_by_a_name_that_clients_may_use(mlflow_server, name):
    assert probe(mlflow_server, name)
    assert not probe(mlflow_server, name, host="mlflow.example.com")


def test_the_liveness_probe_does_not_kill_a_server_for_its_settings(mlflow_server):
    assert probe(mlflow_server, "liveness") and probe(mlflow_server, "liveness", host="mlflow.example.com")


def test_a_start_may_take_two_minutes():
    startup = CONTAINER["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 120


def test_nothing_secret_is_in_the_manifests():
    for objects in (built("mlflow"), built("mlflow", "components/postgres", "components/backup")):
        assert not [each for each in objects if each["kind"] == "Secret"]
        for each in objects:
            for value in each.get("data", {}).values() if each["kind"] == "ConfigMap" else ():
                assert "://:" not in value and "@" not in value


def test_sqlite_is_one_server_without_log_in():
    objects = built("mlflow", "components/mlflow-sqlite")
    deployment = find(objects, "Deployment", "mlflow")
    container = container_of(deployment, "mlflow")
    assert deployment["spec"]["strategy"] == {"type": "Recreate"} and deployment["spec"]["replicas"] == 1
    assert container["args"] == [each for each in CONTAINER["args"] if each != "--app-name=basic-auth"]
    address = find(objects, "ConfigMap", "mlflow-server")["data"]["MLFLOW_BACKEND_STORE_URI"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod_of(deployment)["volumes"]}
    folder = address.removeprefix("sqlite:///").rpartition("/")[0]
    assert volumes[mounts[folder]]["persistentVolumeClaim"]["claimName"] == "mlflow"
