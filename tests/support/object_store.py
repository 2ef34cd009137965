"""The S3 server of the manifests, run with their arguments."""

import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
import requests
from botocore.exceptions import BotoCoreError, ClientError
from support.built_manifests import built, container_of, find

CONTAINER = container_of(
    find(built("mlflow", "components/object-store"), "StatefulSet", "object-store"), "object-store"
)
KEY, SECRET = "key-of-tests", "a-long-secret-of-tests"
_SERVERS = ("s3", "master", "volume", "filer")
_GRPC = 10_000
"""Difference of the gRPC port to the HTTP port of the same component."""


class ObjectStore:
    """A server whose data is in a folder of its own."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._ports = _free_ports(len(_SERVERS))
        self.uri = f"http://127.0.0.1:{self._ports[0]}"
        self._process: subprocess.Popen | None = None

    def start(self) -> "ObjectStore":
        own = {"-dir": str(self._folder), "-ip.bind": "127.0.0.1"}
        own |= {f"-{server}.port": str(port) for server, port in zip(_SERVERS, self._ports, strict=True)}
        manifest = dict(argument.partition("=")[::2] for argument in CONTAINER["args"])
        program, *command = CONTAINER["command"]
        command += [f"{name}={value}" for name, value in (manifest | own).items()]
        with (self._folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).with_name(program), *command],
                env={
                    **os.environ,
                    "HOME": str(self._folder),
                    "AWS_ACCESS_KEY_ID": KEY,
                    "AWS_SECRET_ACCESS_KEY": SECRET,
                },
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        self._wait()
        return self

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def client(self, key: str = KEY):
        return boto3.client(
            "s3", endpoint_url=self.uri, aws_access_key_id=key, aws_secret_access_key=SECRET, region_name="us-east-1"
        )

    def _wait(self) -> None:
        probe = CONTAINER["readinessProbe"]["httpGet"]["path"]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                # The server makes its buckets last.
                if requests.get(self.uri + probe, timeout=5).ok and self.client().list_buckets()["Buckets"]:
                    return
            except (requests.RequestException, BotoCoreError, ClientError):
                pass
            time.sleep(0.2)
        raise RuntimeError((self._folder / "log").read_text()[-3000:])


def _free_ports(count: int) -> list[int]:
    """Ports that are free together with their gRPC ports."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + _GRPC))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found
