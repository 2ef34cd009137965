"""Costs of operating a portfolio: the check that nothing has changed, promotions, the storage.

Against a real MLflow server with a password and against SQLite, with S3 as a server in a process of its own. Each
command prints its table and writes its part of RESULTS.md. Needs the servers of the tests: ``PYTHONPATH=tests``.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError
from check_cases import measure_check
from promotion_cases import measure_promotions
from results import Section, show, write
from rich.console import Console
from storage_cases import measure_storage
from support.mlflow_server import USER, MlflowServer

PASSWORD = "a-long-password-of-benchmarks"
_LOAD = os.getloadavg()[0]
app = typer.Typer(help=__doc__)


@app.command()
def check(runs: int = 5) -> None:
    """The check that nothing has changed, as one process."""
    with tempfile.TemporaryDirectory() as name, _s3(), _mlflow(Path(name)) as server:
        _tell("check", measure_check(Path(name), server.uri, runs))


@app.command()
def promotions(count: int = 1000, processes: int = 8) -> None:
    """Successful promotions by several processes."""
    with tempfile.TemporaryDirectory() as name, _mlflow(Path(name)) as server:
        _tell("promotions", measure_promotions(server.uri, count, processes))


@app.command()
def storage(files: int = 40, pairs: int = 5) -> None:
    """An entry of the store against single transfers."""
    with tempfile.TemporaryDirectory() as name, _s3():
        _tell("storage", measure_storage(Path(name), files, pairs))


def _tell(command: str, section: Section) -> None:
    before, after = _LOAD, os.getloadavg()[0]
    section = replace(section, note=f"{section.note} Load of the machine before and after: {before:.1f}, {after:.1f}.")
    show(section, Console())
    write(f"Operation: {command}", f"PYTHONPATH=tests python benchmarks/operations.py {command}", [section])


@contextmanager
def _s3() -> Iterator[None]:
    """moto's server with a bucket `palm`, known by the environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    os.environ |= {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", port]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while server.poll() is None:
            try:
                boto3.client("s3").create_bucket(Bucket="palm")
                break
            except (BotoCoreError, ClientError):
                time.sleep(0.2)
        yield
    finally:
        server.kill()
        server.wait()


@contextmanager
def _mlflow(folder: Path) -> Iterator[MlflowServer]:
    """An MLflow server with a password, known by the environment; artifacts in S3 where there is one."""
    os.environ |= {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    place = folder / "mlflow"
    place.mkdir()
    s3 = os.environ.get("AWS_ENDPOINT_URL_S3")
    server = MlflowServer(place, s3=s3, bucket="palm", password=PASSWORD).start()
    try:
        yield server
    finally:
        server.kill()


if __name__ == "__main__":
    app()
