import json
import urllib.request

import pytest
import requests
from flask import Flask, request
from support.cluster_commands import palm
from support.errors import one_line
from support.http_server import HttpServer
from support.s3_proxy import s3_proxy
from support.workspace import edit_config
from werkzeug.serving import make_ssl_devcert

from palm.cluster.doctor.image_registry import Reference, find_image
from palm.cluster.doctor.mlflow_access import check_mlflow
from palm.config.cluster import GPU_IMAGE
from palm.config.cluster import IMAGE as CPU_IMAGE
from palm.config.portfolio import Registry
from palm.errors import ClusterError, RegistryError
from palm.registry.client import Client


@pytest.fixture
def kubernetes(kubernetes):
    """A cluster in which nothing is missing."""
    kubernetes.add_node("cpu", images=[CPU_IMAGE, GPU_IMAGE])
    kubernetes.add_node("gpu-1", labels={"pool": "a100"}, images=[GPU_IMAGE], gpu="4")
    kubernetes.add_node("gpu-2", gpu="2")
    kubernetes.add_node("drained", gpu="8", unschedulable=True)
    kubernetes.add_pod("training", "gpu-1", "3")
    kubernetes.add_secret("kubeflow", "palm-credentials", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "OTHER")
    return kubernetes


@pytest.fixture
def mlflow(own_mlflow) -> str:
    return own_mlflow.uri


def doctor(*arguments, settings=(), code=0) -> dict[str, list[dict]]:
    result = palm("doctor", *arguments, *(f"--set={setting}" for setting in settings), "--json", code=code)
    findings = {}
    for finding in json.loads(result.stdout):
        findings.setdefault(finding["name"], []).append(finding)
    return findings


def lines(findings) -> dict[str, str]:
    return {name: found[0]["detail"] for name, found in findings.items()}


def test_every_line_is_ok(kfp, kubernetes, mlflow, cluster_workspace):
    edit_config(cluster_workspace, registry__tracking_uri="http://mlflow:5000")
    config = cluster_workspace / "portfolio.yaml"
    result = palm("doctor", config, "--host", kfp.url, "--mlflow-address", mlflow)
    assert result.stdout.splitlines() == [
        f"pipelines    ok: Kubeflow Pipelines 2.17.0 at {kfp.url}, one user",
        f"mlflow       ok: {mlflow} answers to the name mlflow:5000, by which pods call it",
        "storage      ok: s3://palm/store can be written with the credentials of this machine",
        f"kubernetes   ok: Kubernetes v1.33.1 at {kubernetes.url}",
        "secret       ok: palm-credentials in kubeflow has AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
        "accelerators ok: 6 nvidia.com/gpu on 2 nodes, 3 free now",
        f"image        ok: {CPU_IMAGE} is on 1 nodes",
        f"image        ok: {GPU_IMAGE} is on 2 nodes",
    ]
    assert "secret-value" not in result.output and "c2VjcmV0" not in result.output


def test_mlflow_refuses_a_host_name_that_it_does_not_know(mlflow):
    """The health check passes all the same."""
    assert urllib.request.urlopen(f"{mlflow}/health", timeout=5).status == 200
    with pytest.raises(ClusterError) as error:
        check_mlflow("http://mlflow.example.com:5000", mlflow)
    assert str(error.value) == (
        f"MLflow at {mlflow}: refuses requests to the name mlflow.example.com:5000, by which pods call it "
        "(403 Invalid Host header - possible DNS rebinding attack detected); start it with --allowed-hosts "
        "'mlflow.example.com,mlflow.example.com:*,localhost,localhost:*,127.0.0.1:*' (the list "
        "replaces the default)"
    )
    assert check_mlflow(mlflow, None) == f"{mlflow} answers to the name {mlflow[7:]}, by which pods call it"


def test_mlflow_that_is_not_there_or_no_mlflow(kfp):
    with pytest.raises(ClusterError) as error:
        check_mlflow("http://127.0.0.1:9", None)
    assert str(error.value).startswith("MLflow at http://127.0.0.1:9: cannot be reached (")
    assert "Connection refused" in str(error.value)
    with pytest.raises(ClusterError, match="does not answer like MLflow"):
        check_mlflow(kfp.url, None)
    with pytest.raises(ClusterError, match="is a file of this machine"):
        check_mlflow("sqlite:////tmp/m.db", None)


@pytest.mark.parametrize("address", ["localhost:5000", "ftp://x", "http:///x"])
def test_mlflow_at_an_address_that_is_none(mlflow, address):
    with one_line(ClusterError, f"--mlflow-address={address}: must be http://… or https://…"):
        check_mlflow(mlflow, address)
    with one_line(ClusterError, f"--tracking-uri={address}: must be http://… or https://…"):
        check_mlflow(address, None)


def test_mlflow_is_asked_for_the_workspace_of_the_work(workspace, mlflow, monkeypatch):
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team")
    path = edit_config(workspace, registry__tracking_uri=mlflow, registry__workspace="team")
    found = lines(doctor(path, "--host", "http://127.0.0.1:9", code=1))
    assert "MLFLOW_WORKSPACE" not in found["mlflow"]
    edit_config(workspace, registry__workspace="other")
    found = lines(doctor(path, "--host", "http://127.0.0.1:9", code=1))
    assert "MLFLOW_WORKSPACE=team: is another workspace than the configuration's, other" in found["mlflow"]


@pytest.fixture
def behind_tls(mlflow, tmp_path):
    """MLflow behind a proxy whose certificate no public authority has signed: its address and the certificate."""
    certificate, key = make_ssl_devcert(str(tmp_path / "tls"), host="localhost")
    app = Flask("tls")

    @app.route("/<path:path>", methods=["GET", "POST"])
    def pass_on(path):
        answer = requests.request(
            request.method, f"{mlflow}/{path}", params=request.args, data=request.get_data(), headers=request.headers
        )
        return answer.content, answer.status_code, {"Content-Type": answer.headers["Content-Type"]}

    with HttpServer(app, certificate=(certificate, key)) as server:
        yield server.url, certificate


@pytest.mark.parametrize("variable", [None, "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_INSECURE_TLS"])
def test_mlflow_is_reached_as_the_work_reaches_it(behind_tls, monkeypatch, variable):
    address, certificate = behind_tls
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    work = Client(Registry(tracking_uri=address, experiment="e", model="m"))
    if variable is None:
        with pytest.raises(RegistryError, match="CERTIFICATE_VERIFY_FAILED"):
            work.search_experiments()
        with one_line(ClusterError, "self-signed certificate", "MLFLOW_TRACKING_SERVER_CERT_PATH"):
            check_mlflow(address, None)
        return
    monkeypatch.setenv(variable, certificate if "PATH" in variable else "true")
    assert work.search_experiments()
    assert "answers to the name localhost" in check_mlflow(address, None)


def test_a_limited_store_is_checked_without_a_configuration(s3, s3_server, monkeypatch):
    arguments = ("--host", "http://127.0.0.1:9", "--storage-root", "s3://palm/store")
    with s3_proxy(s3_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.address)
        proxy.limits |= {"refuses checksums", "demands encryption"}
        assert "set storage.checksums: when_required" in lines(doctor(*arguments, code=1))["storage"]
        settings = ("storage.checksums=when_required", "storage.server_side_encryption=AES256")
        found = lines(doctor(*arguments, settings=settings, code=1))
    assert "s3://palm/store can be written" in found["storage"]


def test_without_any_access_each_check_fails_by_itself(workspace):
    edit_config(workspace, storage__root="s3://palm/store", registry__tracking_uri="http://127.0.0.1:9")
    findings = doctor(workspace / "portfolio.yaml", "--host", "http://127.0.0.1:9", "--storage-root", "folder", code=1)
    details = lines(findings)
    assert "host=http://127.0.0.1:9: cannot be reached" in details["pipelines"]
    assert "storage.root=folder: is a folder of this machine" in details["storage"]
    assert details["kubernetes"].startswith("Kubernetes: is not configured here (")
    assert details["secret"] == "not checked: Kubernetes cannot be reached; see the line kubernetes"
    assert details["accelerators"] == details["secret"]
    assert details["image"] == (
        f"image {CPU_IMAGE}: localhost is no registry that nodes can pull from, and no node is known to hold it "
        "(Kubernetes cannot be reached); push it to a registry and set cluster.image and cluster.gpu_image, or load it "
        "into the nodes"
    )
    assert not any(finding["ok"] for found in findings.values() for finding in found)


def test_without_a_configuration_its_places_are_not_looked_at(kfp, kubernetes):
    assert list(doctor("--host", kfp.url)) == ["pipelines", "kubernetes", "secret", "accelerators", "image"]


def test_an_expired_token_is_found_though_the_health_check_passes(kfp, kubernetes, monkeypatch):
    kfp.token = "new"
    kfp.open_paths = ("/apis/v2beta1/healthz", "/apis/v1beta1/healthz")
    monkeypatch.setenv("PALM_KFP_TOKEN", "old")
    assert "does not accept the credentials (401 " in lines(doctor("--host", kfp.url, code=1))["pipelines"]


def test_the_secret_is_looked_for_where_the_runs_are(kfp, kubernetes):
    kfp.multi_user = True
    details = lines(doctor("--host", kfp.url, "--namespace", "alice", code=1))
    assert details["pipelines"].endswith("namespace alice")
    assert details["secret"].startswith(
        "secret palm-credentials in alice: does not exist; kubectl create secret generic palm-credentials --namespace "
        "alice --from-literal=AWS_ACCESS_KEY_ID=… …; not needed where"
    )
    kubernetes.add_secret("alice", "mine", "UNRELATED")
    details = lines(doctor("--host", kfp.url, "--namespace", "alice", settings=["cluster.secret=mine"], code=1))
    assert details["secret"].startswith("secret mine in alice: has none of the keys that tasks read; add what storage")


def test_missing_rights_are_named(kfp, kubernetes):
    kubernetes.forbidden = {"pods"}
    details = lines(doctor("--host", kfp.url))
    assert details["accelerators"] == (
        "6 nvidia.com/gpu on 2 nodes, how many are free is not known: listing pods is not allowed"
    )
    kubernetes.forbidden = {"pods", "nodes", "secrets"}
    details = lines(doctor("--host", kfp.url, code=1))
    assert details["secret"] == (
        'secret palm-credentials in kubeflow: cannot be read (403 secrets is forbidden: User "alice" cannot list '
        "secrets); ask for this right, or let somebody look who has it"
    )
    assert "nodes of the cluster: cannot be read (403 nodes is forbidden" in details["accelerators"]
    assert "no node is known to hold it (nodes of the cluster: cannot be read (403" in details["image"]
    kubernetes.expired = True
    details = lines(doctor("--host", kfp.url, code=1))
    assert details["kubernetes"] == (
        "Kubernetes: cannot be read (401 Unauthorized); sign in again: the credentials of KUBECONFIG have expired"
    )


@pytest.mark.parametrize(
    ("settings", "detail"),
    [
        (["cluster.training.gpus=4"], "6 nvidia.com/gpu on 1 nodes, 3 free now"),
        (["cluster.tasks.gpus=0", "cluster.training.gpus=0"], "none asked for"),
        (["cluster.tasks.node_selector={pool: a100}"], "4 nvidia.com/gpu on 1 nodes, 1 free now"),
    ],
)
def test_accelerators_that_are_there(kfp, kubernetes, settings, detail):
    assert lines(doctor("--host", kfp.url, settings=settings))["accelerators"] == detail


@pytest.mark.parametrize(
    ("setting", "wanted", "most"),
    [
        ("cluster.tasks.gpus=8", "nvidia.com/gpu=8", 4),
        ("cluster.tasks.node_selector={pool: h100}", "nvidia.com/gpu=1", 0),
        ("cluster.tasks.accelerator=amd.com/gpu", "amd.com/gpu=1", 0),
    ],
)
def test_missing_accelerators(kfp, kubernetes, setting, wanted, most):
    details = lines(doctor("--host", kfp.url, settings=[setting], code=1))["accelerators"]
    assert details.startswith(f"{wanted}: no node that tasks may run on has that many (the most is {most})")
    assert "install the device plugin" in details


def test_tasks_and_trainings_on_other_nodes_are_checked_each(kfp, kubernetes):
    settings = ["cluster.training.node_selector={pool: a100}", "cluster.training.gpus=8"]
    tasks, training = doctor("--host", kfp.url, settings=settings, code=1)["accelerators"]
    assert tasks["ok"] and tasks["detail"] == "6 nvidia.com/gpu on 2 nodes, 3 free now"
    assert not training["ok"] and training["detail"].startswith("nvidia.com/gpu=8: no node")


@pytest.mark.parametrize(
    ("image", "registry", "name", "version"),
    [
        ("python", "registry-1.docker.io", "library/python", "latest"),
        ("org/palm:1", "registry-1.docker.io", "org/palm", "1"),
        ("localhost/palm:0.1.0-cpu", "localhost", "palm", "0.1.0-cpu"),
        ("ghcr.io/org/sub/palm:1", "ghcr.io", "org/sub/palm", "1"),
        ("host:5000/palm", "host:5000", "palm", "latest"),
        ("ghcr.io/org/palm:1@sha256:ab", "ghcr.io", "org/palm", "sha256:ab"),
    ],
)
def test_references_of_images(image, registry, name, version):
    assert Reference.parse(image) == Reference(registry, name, version)


def image_registry() -> Flask:
    """A registry that gives everybody a token, speaking the distribution specification."""
    app = Flask(__name__)

    @app.get("/token")
    def token():
        assert request.args.to_dict() == {"service": "here", "scope": "repository:palm:pull"}
        return {"token": "for-all"}

    @app.route("/v2/<path:name>", methods=["HEAD"])
    def manifest(name: str):
        if name.startswith("private/"):
            return "", 401, {"WWW-Authenticate": 'Basic realm="here"'}
        if request.headers.get("Authorization") != "Bearer for-all":
            wanted = f'Bearer realm="{request.host_url}token",service="here",scope="repository:palm:pull"'
            return "", 401, {"WWW-Authenticate": wanted}
        return "", 200 if name == "palm/manifests/1" else 404

    return app


def test_images_in_a_registry(kfp, kubernetes):
    with HttpServer(image_registry()) as server:
        registry = server.url.removeprefix("http://")
        image = f"{registry}/palm:1"
        found = doctor("--host", kfp.url, settings=[f"cluster.image={image}", f"cluster.gpu_image={image}"])["image"]
        assert found == [{"name": "image", "ok": True, "detail": f"{image} is in {registry}"}]
        missing = f"image {registry}/palm:2: is not in {registry} \\(404\\), and nobody has it; push it, or "
        with pytest.raises(ClusterError, match=missing):
            find_image(f"{registry}/palm:2", elsewhere="nobody has it")
        with pytest.raises(ClusterError, match="shows it only with credentials"):
            find_image(f"{registry}/private/palm:1", elsewhere="nobody has it")
    with pytest.raises(ClusterError, match=f"{registry} cannot be reached from here"):
        find_image(image, elsewhere="nobody has it")
