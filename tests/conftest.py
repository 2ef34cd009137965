"""Shared pieces: a tiny base model trained on the spot, and a whole small workspace."""

import secrets
import shutil
from pathlib import Path

import boto3
import hypothesis
import mlflow
import pytest
from moto.server import ThreadedMotoServer
from support.made_once import made_once
from support.mlflow_server import USER, MlflowServer
from support.small_portfolio import make_versions
from support.workspace import TINY, corpus_records, edit_config, make_workspace, write_jsonl

from palm.config.base_model import TinyModel
from palm.config.load import load_config
from palm.config.portfolio import Registry
from palm.models.tiny import build_tiny_model
from palm.registry.experiment import check_usable
from palm.steps.workers.client import WORKERS_VARIABLE
from palm.steps.workers.pool import worker_pool
from palm.storage.s3_settings import use_s3_settings

# A loaded machine must not fail a test.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def base_model(tmp_path_factory) -> Path:
    """A Llama of width 16, trained for a few steps on words."""

    def make(folder: Path) -> None:
        corpus = write_jsonl(folder / "corpus.jsonl", corpus_records())
        model = TinyModel(corpus=str(corpus), batch_size=32, **TINY)
        build_tiny_model(model, folder / "model", scratch=folder / "scratch")

    return made_once(tmp_path_factory, "base", make) / "model"


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory) -> Path:
    """An MLflow database that holds nothing; making one takes seconds, copying it none."""

    def make(folder: Path) -> None:
        check_usable(Registry(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment="none", model="none"))

    return made_once(tmp_path_factory, "registry", make) / "mlflow.db"


@pytest.fixture
def workspace(tmp_path, empty_registry) -> Path:
    """A folder with a configuration that builds a portfolio of two rewards in seconds a step."""
    shutil.copyfile(empty_registry, tmp_path / "mlflow.db")
    return make_workspace(tmp_path)


@pytest.fixture
def config(workspace):
    return load_config(workspace / "portfolio.yaml")


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """A build made by the library (`library_build.Build`), whose folders tests may read but not change."""
    from support.library_build import make_build, read_build

    return read_build(made_once(tmp_path_factory, "build", make_build))


@pytest.fixture(scope="session")
def shared_pool(tmp_path_factory) -> str:
    """The value of PALM_WORKERS for a pool of workers, which takes as long to start as a small training."""
    with worker_pool(tmp_path_factory.mktemp("pool") / "pool.log") as address:
        yield address


@pytest.fixture
def workers(shared_pool, monkeypatch):
    """Let tasks run their steps in that pool, as `palm run` does."""
    monkeypatch.setenv(WORKERS_VARIABLE, shared_pool)


@pytest.fixture(scope="session")
def s3_server():
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """A real HTTP server that speaks S3, reached the way a user's would be."""
    for name, value in {
        "AWS_ENDPOINT_URL_S3": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    use_s3_settings({})
    client = boto3.client("s3")
    client.create_bucket(Bucket="palm")
    yield client
    use_s3_settings({})
    for entry in client.list_objects_v2(Bucket="palm").get("Contents", []):
        client.delete_object(Bucket="palm", Key=entry["Key"])
    client.delete_bucket(Bucket="palm")


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory, s3_server):
    """MLflow as in production: a server with a password that keeps artifacts in S3; slow to start, so shared."""
    bucket = "mlflow"
    boto3.client(
        "s3", endpoint_url=s3_server, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
    ).create_bucket(Bucket=bucket)
    folder = tmp_path_factory.mktemp("mlflow-server")
    server = MlflowServer(folder, s3=s3_server, bucket=bucket, password="a-long-password-of-tests").start()
    yield server
    server.kill()


@pytest.fixture
def server_workspace(workspace, mlflow_server, monkeypatch):
    """A workspace with an experiment and a model of its own on that server, and the password in the environment."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", mlflow_server.password)
    own = f"small-{secrets.token_hex(4)}"
    edit_config(workspace, registry__tracking_uri=mlflow_server.uri, registry__experiment=own, registry__model=own)
    return workspace


@pytest.fixture(params=["folder", "s3"])
def root(request, tmp_path) -> str:
    """A storage.root of each kind, with nothing in it."""
    if request.param == "folder":
        return str(tmp_path / "store")
    request.getfixturevalue("s3")
    return "s3://palm/some/prefix"


@pytest.fixture
def client(config):
    """MLflow's client of the workspace."""
    return mlflow.MlflowClient(config.registry.tracking_uri, config.registry.tracking_uri)


@pytest.fixture
def versions(config):
    """A configuration whose registry has four versions, and a client."""
    return config, make_versions(config.registry, 4)
