import os

import pytest
from support.cluster_commands import palm
from support.kfp_stand_in import KfpStandIn
from support.kubernetes_api import KubernetesStandIn, write_kubeconfig
from support.mlflow_server import MlflowServer
from support.schemas import SCHEMAS
from support.workspace import edit_config

DOCUMENT = SCHEMAS / "kfp-api-v2beta1.swagger.json"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Hide settings, credentials and clusters of the user who runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in list(os.environ):
        if name.startswith(("KF_PIPELINES_", "PALM_KFP_", "MLFLOW_")):
            monkeypatch.delenv(name)


@pytest.fixture
def kfp():
    """The stand-in; fails a test that breaks the API's document."""
    if not DOCUMENT.exists():
        pytest.skip(f"the document of the API of Kubeflow Pipelines is not at {DOCUMENT} (PALM_SCHEMAS)")
    with KfpStandIn(DOCUMENT) as server:
        yield server
    assert not server.violations


@pytest.fixture
def kubernetes(tmp_path, monkeypatch):
    with KubernetesStandIn() as server:
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", server.url)))
        yield server


@pytest.fixture(scope="module")
def own_mlflow(tmp_path_factory):
    """An MLflow server without log-in, which tests may kill; it knows the host names of the manifests."""
    server = MlflowServer(tmp_path_factory.mktemp("mlflow")).start()
    yield server
    server.kill()


@pytest.fixture
def cluster_workspace(workspace, s3):
    """A workspace whose results go where pods can write them."""
    edit_config(workspace, storage__root="s3://palm/store", registry__tracking_uri="http://mlflow:5000")
    return workspace


@pytest.fixture
def submit(kfp, cluster_workspace):
    return lambda *arguments, code=0: palm(
        "submit", cluster_workspace / "portfolio.yaml", "--host", kfp.url, *arguments, code=code
    )


@pytest.fixture
def schedule(kfp, cluster_workspace):
    return lambda *arguments, code=0: palm(
        "schedule", cluster_workspace / "portfolio.yaml", "--no-validate", "--host", kfp.url, *arguments, code=code
    )
