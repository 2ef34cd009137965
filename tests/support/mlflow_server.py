"""A real MLflow server, started with the arguments and settings of the manifests."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests
from support.built_manifests import built, container_of, environment_of, expanded, find

USER = "admin"
_MANIFESTS = built("mlflow")
CONTAINER = container_of(find(_MANIFESTS, "Deployment", "mlflow"), "mlflow")
SETTINGS = find(_MANIFESTS, "ConfigMap", "mlflow-auth")["data"]["basic_auth.ini"]


class MlflowServer:
    """One server in a folder of its own, which can be killed and started again.

    Args:
        s3: address of the S3 server for artifacts, in an existing bucket; unset: artifacts in the folder.
        password: of the user `admin`; unset: no log-in.
        postgres: the environment variables of its PostgreSQL; unset: SQLite files in the folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        s3: str | None = None,
        bucket: str = "",
        password: str = "",
        s3_keys: tuple[str, str] = ("test", "test"),
        postgres: dict[str, str] | None = None,
    ):
        self.folder, self.password = folder, password
        self._s3, self._bucket, self._s3_keys, self._postgres = s3, bucket, s3_keys, postgres
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        # Signs the forms of the log-in.
        self._secret = secrets.token_hex(16)
        self._process: subprocess.Popen | None = None

    def start(self) -> "MlflowServer":
        environment = self._environment()
        own = {"--host": "127.0.0.1", "--port": str(self.port), "--workers": "1"}
        arguments = []
        for argument in expanded(CONTAINER["args"], environment):
            name = argument.partition("=")[0]
            if name == "--app-name" and not self.password:
                continue
            arguments.append(f"{name}={own[name]}" if name in own else argument)
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *CONTAINER["command"], *arguments],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
            )
        self._wait()
        return self

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def reader(self, name: str) -> dict[str, str]:
        """Make a user who may only read; the variables of their log-in."""
        user = {"username": name, "password": "another-long-password"}
        made = requests.post(
            f"{self.uri}/api/2.0/mlflow/users/create", json=user, auth=(USER, self.password), timeout=30
        )
        made.raise_for_status()
        return {f"MLFLOW_TRACKING_{key.upper()}": value for key, value in user.items()}

    def secret(self) -> dict[str, str]:
        """The Secret mlflow-server for this server."""
        secret = {"MLFLOW_FLASK_SERVER_SECRET_KEY": self._secret, "MLFLOW_AUTH_ADMIN_PASSWORD": self.password}
        if self._s3:
            key, value = self._s3_keys
            secret |= {"AWS_ENDPOINT_URL": self._s3, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": value}
            secret |= {"AWS_DEFAULT_REGION": "us-east-1"}
        return secret | (self._postgres or {})

    def settings(self) -> dict[str, str]:
        """What differs from the manifests' variables, beyond the Secret; writes the settings of the log-in."""
        settings, database = self.folder / "auth.ini", f"sqlite:///{self.folder}/auth.db"
        text = SETTINGS if self._postgres else SETTINGS.replace("postgresql+psycopg2://", database)
        assert self._postgres or database in text
        settings.write_text(text)
        own = {"MLFLOW_AUTH_CONFIG_PATH": str(settings)}
        own["ARTIFACTS_DESTINATION"] = f"s3://{self._bucket}/mlflow" if self._s3 else str(self.folder / "artifacts")
        if not self._postgres:
            own["MLFLOW_BACKEND_STORE_URI"] = f"sqlite:///{self.folder}/mlflow.db"
        return own

    def _environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "AWS_", "PG"))}
        own = environment_of(CONTAINER, _MANIFESTS, {"mlflow-server": self.secret()})
        return inherited | own | self.settings()

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if requests.get(f"{self.uri}/health", timeout=5).ok:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.2)
        raise RuntimeError((self.folder / "server.log").read_text()[-3000:])
