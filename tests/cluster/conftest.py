import os

import pytest
from support.kfp_stand_in import KfpStandIn
from support.schemas import SCHEMAS
from support.workspace import edit_config

DOCUMENT = SCHEMAS / "kfp-api-v2beta1.swagger.json"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """No settings, credentials or cluster of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in list(os.environ):
        if name.startswith(("KF_PIPELINES_", "PALM_KFP_", "MLFLOW_")):
            monkeypatch.delenv(name)


@pytest.fixture
def kfp():
    """The stand-in, which must have seen only what the API's document allows."""
    if not DOCUMENT.exists():
        pytest.skip(f"the document of the API of Kubeflow Pipelines is not at {DOCUMENT} (PALM_SCHEMAS)")
    with KfpStandIn(DOCUMENT) as server:
        yield server
    assert not server.violations


@pytest.fixture
def cluster_workspace(workspace, s3):
    """A workspace whose results go where pods can write them."""
    edit_config(workspace, storage__root="s3://palm/store", registry__tracking_uri="http://mlflow:5000")
    return workspace
