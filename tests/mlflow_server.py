"""A real MLflow server as in production: a database, artifacts in S3, and a password."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests

USER = "admin"


class MlflowServer:
    """One server in a folder of its own, which can be killed and started again.

    Args:
        folder: an empty folder for its database and log.
        s3: address of the S3 server that it keeps artifacts in; unset: artifacts in the folder.
        bucket: an existing bucket.
        password: of the user `admin`; unset: nobody is asked for one.
        workers: its processes.
    """

    def __init__(self, folder: Path, *, s3: str | None = None, bucket: str = "", password: str = "", workers: int = 1):
        self.folder, self.password, self.workers = folder, password, workers
        self._s3, self._bucket = s3, bucket
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        # Its log-in forms are signed with it; all workers need the same.
        self._secret = secrets.token_hex(16)
        self._process: subprocess.Popen | None = None

    def start(self) -> "MlflowServer":
        destination = f"s3://{self._bucket}/mlflow" if self._s3 else str(self.folder / "artifacts")
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db", "--workers", str(self.workers)]
        command += ["--artifacts-destination", destination, "--serve-artifacts"]
        command += ["--allowed-hosts", "localhost,localhost:*,127.0.0.1:*"]
        if self.password:
            command += ["--app-name", "basic-auth"]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment(), stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )
        self._wait()
        return self

    def kill(self) -> None:
        """SIGKILL to all of it, as when its node is lost."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _environment(self) -> dict[str, str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
        environment |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        if self.password:
            settings = self.folder / "auth.ini"
            settings.write_text(
                f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{self.folder}/auth.db\n"
                f"admin_username = {USER}\nadmin_password = {self.password}\n"
                # Without it every request checks the hash of the password: 0.3 s.
                "auth_cache_ttl_seconds = 600\n"
                "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            )
            settings.chmod(0o600)
            environment |= {
                "MLFLOW_AUTH_CONFIG_PATH": str(settings),
                "MLFLOW_FLASK_SERVER_SECRET_KEY": self._secret,
                "MLFLOW_AUTH_ADMIN_PASSWORD": self.password,
            }
        if self._s3:
            environment |= {"MLFLOW_S3_ENDPOINT_URL": self._s3, "AWS_ENDPOINT_URL_S3": self._s3}
            environment |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
            environment |= {"AWS_DEFAULT_REGION": "us-east-1"}
        return environment

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
