"""A real PostgreSQL server in a folder of its own."""

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

_PASSWORD = "a-long-p%40ssword-of-tests"


def postgres_programs() -> Path | None:
    """The folder of the server's programs, the newest installed; None if there is none."""
    found = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return Path(found).parent if found else installed[-1].parent if installed else None


class PostgresServer:
    """A server that asks for a password; it never runs as root, which PostgreSQL refuses."""

    def __init__(self, folder: Path):
        self._folder, self._programs = folder, postgres_programs()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.variables = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGDATABASE": "mlflow",
            "PGUSER": "palm",
            "PGPASSWORD": _PASSWORD,
        }
        self._as_user = {}
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            self._as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def start(self) -> "PostgresServer":
        # Its own user cannot reach into pytest's folders, which only root may enter.
        if self._as_user:
            os.chown(self._folder, self._as_user["user"], self._as_user["group"])
        password = self._folder / "password"
        password.write_text(_PASSWORD)
        password.chmod(0o644)
        data = self._folder / "data"
        options = ["--username=palm", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync"]
        self._run("initdb", f"--pgdata={data}", *options)
        settings = f"-p {self.variables['PGPORT']} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = f"--log={self._folder}/log"
        self._run("pg_ctl", f"--pgdata={data}", "--wait", log, f"--options={settings}", "start")
        self.ask("postgres", f"CREATE DATABASE {self.variables['PGDATABASE']}")
        return self

    def stop(self) -> None:
        self._run("pg_ctl", f"--pgdata={self._folder / 'data'}", "--wait", "--mode=immediate", "stop")

    def lose_the_database(self) -> None:
        """Drop it with everything in it; the empty one that a new server would have takes its place."""
        name = self.variables["PGDATABASE"]
        self.ask("postgres", f"DROP DATABASE {name} WITH (FORCE)")
        self.ask("postgres", f"CREATE DATABASE {name}")

    def ask(self, database: str, statement: str) -> str:
        command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", f"--command={statement}"]
        environment = {**os.environ, **self.variables, "PGDATABASE": database}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    def _run(self, program: str, *arguments: str) -> None:
        # Not captured: the server keeps what it inherits open.
        with (self._folder / "output").open("w") as output:
            done = subprocess.run(
                [self._programs / program, *arguments], stdout=output, stderr=output, cwd="/", **self._as_user
            )
        assert done.returncode == 0, (self._folder / "output").read_text()
