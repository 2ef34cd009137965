"""A machine with the extras `serve` and `s3` alone, and the addresses of MLflow and S3: its answers, its refusals."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import venv
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import requests
from support.mlflow_server import USER
from support.published import publish, upload_base
from support.small_portfolio import promote

from palm.config.load import load_config

ROOT = Path(__file__).parents[2]
EXTRAS = ("trl", "datasets", "kfp", "kubernetes", "pytest", "moto")
QUESTIONS = {"prompt": ["say tea"] * 3, "weights": [[1.0, 0.0], [0.3, 0.7], [0.0, 1.0]]}
# What a program of the user does, which knows nothing of palm.
ASK = """
import json, sys
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
rows = model.predict(pd.DataFrame(json.loads(sys.argv[2])), params={"seed": 7})
print(rows.to_json(orient="records"))
"""
ABSENT = "import importlib.util, sys; print([name for name in sys.argv[1:] if importlib.util.find_spec(name)])"


MISMATCHES = """
import sys
from importlib.metadata import version
lines = [line.split("==") for line in open(sys.argv[1]).read().split()]
print([name for name, wanted in lines if version(name).partition("+")[0] != wanted])
"""


class Consumer:
    """A virtual environment with palm in it, used from a folder and a home of its own."""

    def __init__(self, folder: Path):
        self.bin = folder / "venv" / "bin"
        venv.create(folder / "venv", with_pip=True, symlinks=True)
        source = folder / "source"
        shutil.copytree(ROOT, source, ignore=_not_of_the_source)
        torch_pin = re.search(r"^torch==\S+$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[0]
        pip = [self.bin / "python", "-m", "pip", "--disable-pip-version-check", "install", "--constraint"]
        for wanted in (torch_pin, f"{source}[serve,s3]"):
            done = subprocess.run([*pip, ROOT / "constraints.txt", wanted], capture_output=True, text=True, cwd=folder)
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        shutil.rmtree(source)
        self.home = folder / "home"
        self.home.mkdir()

    def run(self, program: str, *arguments, credentials: dict[str, str]) -> subprocess.CompletedProcess:
        """Run a program of the environment; nothing but the credentials comes from the environment of the tests."""
        process = self.start(program, *arguments, credentials=credentials)
        out, errors = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, errors)

    def start(self, program: str, *arguments, credentials: dict[str, str]) -> subprocess.Popen:
        """Start a program of the environment, with all that it starts in a group of its own."""
        environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.home), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [self.bin / program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env=environment | credentials,
            start_new_session=True,
        )


def _not_of_the_source(folder: str, names: list[str]) -> set[str]:
    wanted = {"palm", "components", "pipelines", "examples", "pyproject.toml", "setup.py", "README.md", "LICENSE"}
    return (set(names) - wanted if Path(folder) == ROOT else set()) | {"__pycache__"} & set(names)


@pytest.fixture(scope="module")
def consumer(tmp_path_factory):
    return Consumer(tmp_path_factory.mktemp("consumer"))


class Place:
    """A configuration whose champion is in MLflow and S3, and the way there for the consumer."""

    def __init__(self, workspace: Path, mlflow_server, s3, s3_server: str):
        self.path, self.s3 = workspace / "portfolio.yaml", s3
        self.config = load_config(self.path)
        self.uri = f"models:/{self.config.registry.model}@champion"
        self._tracking = mlflow_server.uri
        self.credentials = {
            "MLFLOW_TRACKING_URI": mlflow_server.uri,
            "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": mlflow_server.password,
            "AWS_ENDPOINT_URL_S3": s3_server,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def make_champion(self, base_model: Path, source: str) -> None:
        publish(self.config, self.path.parent, base_model, source=source)
        assert promote(self.config, "1").promoted

    def answers_here(self) -> list[dict]:
        """What the environment of the tests answers."""
        mlflow.set_tracking_uri(self._tracking)
        rows = mlflow.pyfunc.load_model(self.uri).predict(pd.DataFrame(QUESTIONS), params={"seed": 7})
        return rows.to_dict("records")

    def files(self) -> str:
        """Where the champion's files are in the bucket."""
        version = mlflow.MlflowClient(self._tracking).get_model_version(self.config.registry.model, "1")
        entries = self.s3.get_paginator("list_objects_v2").paginate(Bucket="mlflow").search("Contents[]")
        own = [entry["Key"] for entry in entries if version.source.rsplit("/", 1)[-1] in entry["Key"]]
        return next(key for key in own if key.endswith("/routing.json")).rpartition("/")[0]


@contextlib.contextmanager
def flipped(s3, bucket: str, key: str):
    """One bit in the middle of an object is another one for a while."""
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    s3.put_object(Bucket=bucket, Key=key, Body=bytes(changed))
    yield
    s3.put_object(Bucket=bucket, Key=key, Body=content)


@pytest.fixture
def place(server_workspace, mlflow_server, s3, s3_server):
    return Place(server_workspace, mlflow_server, s3, s3_server)


def ask(consumer: Consumer, place: Place) -> subprocess.CompletedProcess:
    return consumer.run("python", "-c", ASK, place.uri, json.dumps(QUESTIONS), credentials=place.credentials)


def generate(consumer: Consumer, place: Place) -> subprocess.CompletedProcess:
    arguments = ("--config", place.path, "--prompt", "say tea", "--weights", "0.3,0.7", "--seed", "7", "--json")
    return consumer.run("palm", "generate", *arguments, credentials=place.credentials)


def check_refused(done: subprocess.CompletedProcess, file: str) -> None:
    """By a program with a traceback, whose last line tells it; by palm in that line alone."""
    assert done.returncode == 1 and not done.stdout
    line = done.stderr.strip().splitlines()[-1]
    found = re.search(rf"(ModelError|error): .*{re.escape(file)}: sha256 is (\w{{64}}), recorded is (\w{{64}})", line)
    assert found and found[2] != found[3], done.stderr


@pytest.mark.parametrize("kind", ["embedded", "in S3"])
def test_a_champion_answers_and_a_flipped_bit_is_refused(consumer, place, base_model, faults, kind):
    source = str(base_model) if kind == "embedded" else "s3://palm/models/base"
    if kind == "in S3":
        upload_base(place.s3, base_model)
    place.make_champion(base_model, source)
    expected = place.answers_here()
    assert [answer["policy"] for answer in expected] == ["policy-a", "policy-b", "policy-b"]
    assert expected[0]["response"] != expected[1]["response"]

    absent = consumer.run("python", "-c", ABSENT, *EXTRAS, credentials={})
    assert absent.stdout.strip() == "[]", absent
    done = ask(consumer, place)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == expected
    done = generate(consumer, place)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected[1]

    file = "adapters/policy-b/adapter_model.safetensors"
    with flipped(place.s3, "mlflow", f"{place.files()}/{file}"):
        for done in (ask(consumer, place), generate(consumer, place)):
            check_refused(done, file)
    bucket, prefix = ("mlflow", f"{place.files()}/base_model") if kind == "embedded" else ("palm", "models/base")
    with flipped(place.s3, bucket, f"{prefix}/model.safetensors"):
        for done in (ask(consumer, place), generate(consumer, place)):
            check_refused(done, f"{prefix.rsplit('/', 1)[-1]}/model.safetensors")
    faults("flipped bit in a served file", 2)
    assert json.loads(ask(consumer, place).stdout.splitlines()[-1]) == expected


def test_commands_need_no_other_extras(consumer, place, base_model, tmp_path):
    place.make_champion(base_model, str(base_model))
    for arguments in (
        ["--help"],
        ["history", place.path],
        ["schema"],
        ["design", "--objectives", "2", "--epsilon", "0.4", "--delta", "0.1"],
        ["repair", place.path],
    ):
        done = consumer.run("palm", *arguments, credentials=place.credentials)
        assert done.returncode == 0, done.stderr
    shown = consumer.run("palm", "history", place.path, "--json", credentials=place.credentials)
    assert [entry["to"] for entry in json.loads(shown.stdout)["entries"]] == ["1"]


def test_mlflow_serves_it_where_palm_is_installed(consumer, place, base_model):
    """The version's requirements hold there too, and do not name a project that has palm's name on an index."""
    place.make_champion(base_model, str(base_model))
    expected = place.answers_here()
    requirements = mlflow.pyfunc.get_model_dependencies(place.uri)
    assert "palm" not in Path(requirements).read_text()
    done = consumer.run("python", "-c", MISMATCHES, requirements, credentials={})
    assert done.stdout.strip() == "[]", done
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    arguments = ("models", "serve", "-m", place.uri, "--env-manager", "local", "--port", port)
    with consumer.start("mlflow", *arguments, credentials=place.credentials) as server:
        try:
            answer = _asked(f"http://127.0.0.1:{port}", server)
        finally:
            os.killpg(server.pid, signal.SIGKILL)
    assert answer.json() == {"predictions": expected}, answer.text


def _asked(address: str, server: subprocess.Popen) -> requests.Response:
    while server.poll() is None:
        try:
            if requests.get(f"{address}/ping", timeout=5).ok:
                break
        except requests.ConnectionError:
            time.sleep(0.2)
    question = {"dataframe_records": pd.DataFrame(QUESTIONS).to_dict("records"), "params": {"seed": 7}}
    return requests.post(f"{address}/invocations", json=question, timeout=60)
