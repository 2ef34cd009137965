"""Shared pieces: a tiny base model trained on the spot, and a whole small workspace."""

import json
import secrets
import shutil
from pathlib import Path

import boto3
import pytest
import yaml
from mlflow_server import USER, MlflowServer
from moto.server import ThreadedMotoServer

from palm.config import Registry, TinyModel
from palm.config_file import load_config
from palm.models.tiny import build_tiny_model
from palm.registry.tracking import check_reachable

REWARDS = '''
def length(prompts, responses, **fields):
    """Longer is better, up to 20 characters."""
    return [min(len(text), 20) / 20 for text in responses]

def vowels(prompts, responses, **fields):
    """Share of vowels."""
    return [sum(c in "aeiou" for c in text) / max(1, len(text)) for text in responses]
'''


def write_jsonl(path: Path, records: list[dict]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def corpus_records() -> list[dict]:
    words = ["tea", "oak", "sky", "bread", "stone", "crypt", "area", "myth"]
    return [
        {"prompt": f"say {first}", "response": " ".join([first, *[second] * count])}
        for first in words
        for second in words
        for count in (1, 2, 4)
    ]


@pytest.fixture(scope="session")
def base_model(tmp_path_factory) -> Path:
    """A Llama of width 16, trained for a few steps on words."""
    folder = tmp_path_factory.mktemp("base")
    corpus = write_jsonl(folder / "corpus.jsonl", corpus_records())
    settings = TinyModel(
        corpus=str(corpus),
        hidden_size=16,
        layers=2,
        heads=2,
        vocabulary_size=300,
        steps=60,
        batch_size=32,
        learning_rate=1e-2,
    )
    build_tiny_model(settings, folder / "model", scratch=folder / "scratch")
    return folder / "model"


def make_workspace(folder: Path) -> Path:
    """Fill a folder with a configuration that builds a portfolio of two rewards in seconds a step."""
    write_jsonl(folder / "corpus.jsonl", corpus_records())
    words = ["tea", "oak", "sky", "bread", "stone", "crypt", "area", "myth"]
    write_jsonl(folder / "train.jsonl", [{"prompt": f"say {word}"} for word in words])
    write_jsonl(folder / "eval.jsonl", [{"prompt": f"tell {word}"} for word in words])
    (folder / "rewards.py").write_text(REWARDS)
    config = {
        "name": "small",
        "base_model": {
            "source": "tiny",
            "tiny": {
                "corpus": "corpus.jsonl",
                "hidden_size": 16,
                "layers": 2,
                "heads": 2,
                "vocabulary_size": 300,
                "steps": 60,
                "learning_rate": 0.01,
            },
        },
        "prompts": {"train": "train.jsonl", "eval": "eval.jsonl"},
        "rewards": [
            {"name": "length", "uri": "python:rewards.py:length"},
            {"name": "vowels", "uri": "python:rewards.py:vowels"},
        ],
        "beta": 0.1,
        "design": {"strategy": "uniform", "epsilon": 0.4, "delta": 0.1, "size": 3},
        "generation": {"max_new_tokens": 16},
        "training": {"steps": 2, "micro_batch_size": 16, "prompts_per_step": 4, "responses_per_prompt": 4},
        "selection": {"size": 2},
        "registry": {"tracking_uri": "sqlite:///mlflow.db", "experiment": "small", "model": "small"},
        "promotion": {"max_epsilon": 1.0},
        "storage": {"root": "store"},
    }
    (folder / "portfolio.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return folder


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory) -> Path:
    """An MLflow database that holds nothing; making one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    check_reachable(Registry(tracking_uri=f"sqlite:///{path}", experiment="none", model="none"))
    return path


@pytest.fixture
def workspace(tmp_path, empty_registry) -> Path:
    """A folder with a configuration that builds a portfolio of two rewards in seconds a step."""
    shutil.copyfile(empty_registry, tmp_path / "mlflow.db")
    return make_workspace(tmp_path)


@pytest.fixture
def config(workspace):
    """The workspace's configuration, loaded."""
    return load_config(workspace / "portfolio.yaml")


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """A build made by the library (`library_build.Build`), whose folders tests may read but not change."""
    from library_build import make_build

    return make_build(tmp_path_factory.mktemp("build"))


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
    client = boto3.client("s3")
    client.create_bucket(Bucket="palm")
    yield client
    for entry in client.list_objects_v2(Bucket="palm").get("Contents", []):
        client.delete_object(Bucket="palm", Key=entry["Key"])
    client.delete_bucket(Bucket="palm")


def edit_config(workspace: Path, **changes) -> Path:
    """Change keys of the workspace's configuration; dots in names lead into sections."""
    path = workspace / "portfolio.yaml"
    raw = yaml.safe_load(path.read_text())
    for name, value in changes.items():
        *sections, key = name.split("__")
        node = raw
        for section in sections:
            node = node[int(section) if isinstance(node, list) else section]
        node[int(key) if isinstance(node, list) else key] = value
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory, s3_server):
    """MLflow as in production: a server with a password that keeps artifacts in S3; slow to start, so shared."""
    bucket = "mlflow"
    boto3.client(
        "s3",
        endpoint_url=s3_server,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
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
