"""The disaster: database and buckets are lost, and come back by the jobs of the manifests, as of the chosen backup."""

import json
import shutil
import tempfile
import time
from pathlib import Path

import boto3
import pytest
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore
from support.built_manifests import built, container_of, find
from support.cluster_commands import palm
from support.container_process import run_container
from support.mlflow_server import MlflowServer
from support.object_store import KEY, SECRET, ObjectStore
from support.postgres_server import PostgresServer, postgres_programs
from support.small_portfolio import promote, register_small, write_small_portfolio
from support.workspace import edit_config

from palm.config.load import load_config
from palm.promotion import promotions
from palm.storage.store import Store

missing = [name for name in ("rclone", "psql", "pg_dump", "pg_restore") if not shutil.which(name)]
missing += [] if postgres_programs() else ["postgresql"]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}: apt-get install postgresql rclone")

OBJECTS = built("mlflow", "components/backup")
BUCKETS = ("palm", "mlflow")
ADMIN, USER = "a-long-password-of-the-admin", "a-long-password-of-tasks"


class Site:
    """What a cluster would run: the services, the Secrets and the jobs."""

    def __init__(self, folder, s3_server: str):
        self.folder = folder
        self.postgres = PostgresServer(self._new("postgres")).start()
        self.store = ObjectStore(self._new("object-store")).start()
        self.mlflow = MlflowServer(
            self._new("mlflow"),
            s3=self.store.uri,
            s3_keys=(KEY, SECRET),
            bucket="mlflow",
            password=ADMIN,
            postgres=self.postgres.variables,
        )
        remote = {"PROVIDER": "Other", "REGION": "us-east-1"}
        source = {**remote, "ENDPOINT": self.store.uri, "ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET}
        backup = {**remote, "ENDPOINT": s3_server, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}
        self.secrets = {
            "mlflow-server": self.mlflow.secret(),
            "palm-credentials": {"MLFLOW_TRACKING_USERNAME": "palm", "MLFLOW_TRACKING_PASSWORD": USER},
            "palm-backup": {f"RCLONE_CONFIG_SOURCE_{key}": value for key, value in source.items()}
            | {f"RCLONE_CONFIG_BACKUP_{key}": value for key, value in backup.items()},
        }
        self._jobs, self._running = 0, False

    def job(self, cronjob: str, *containers: str, code: int = 0, **changed: str) -> str:
        self._jobs += 1
        folder = self._new(f"job-{self._jobs}")
        workload = find(OBJECTS, "CronJob", cronjob)
        for name in containers:
            done = run_container(
                workload, container_of(workload, name), OBJECTS, secrets=self.secrets, folder=folder, changed=changed
            )
            assert done.returncode == code, f"{cronjob}, {name}: {done.stdout}{done.stderr}"
            for secret in (ADMIN, USER, SECRET, self.postgres.variables["PGPASSWORD"]):
                assert secret not in done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def files(self) -> dict[tuple[str, str], bytes]:
        """Content by bucket and key."""
        client = self.store.client()
        pages = client.get_paginator("list_objects_v2")
        places = [
            (bucket, entry["Key"])
            for bucket in BUCKETS
            for entry in pages.paginate(Bucket=bucket).search("Contents[]")
            if entry
        ]
        return {(bucket, key): client.get_object(Bucket=bucket, Key=key)["Body"].read() for bucket, key in places}

    def start_mlflow(self) -> None:
        self.mlflow.start()
        self._running = True

    def stop_mlflow(self) -> None:
        if self._running:
            self.mlflow.kill()
        self._running = False

    def lose_the_buckets(self) -> None:
        for bucket, key in self.files():
            self.store.client().delete_object(Bucket=bucket, Key=key)
        for bucket in BUCKETS:
            self.store.client().delete_bucket(Bucket=bucket)

    def stop(self) -> None:
        self.stop_mlflow()
        self.store.stop()
        self.postgres.stop()

    def _new(self, name: str):
        place = self.folder / name
        place.mkdir()
        return place


@pytest.fixture
def backup_bucket(s3_server):
    client = boto3.client(
        "s3", endpoint_url=s3_server, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
    )
    client.create_bucket(Bucket="palm-backup")
    return client


@pytest.fixture
def site(s3_server, backup_bucket):
    # Not in pytest's folder, which only its owner may enter: PostgreSQL runs as a user of its own.
    folder = Path(tempfile.mkdtemp(prefix="palm-site-"))
    folder.chmod(0o755)
    site = Site(folder, s3_server)
    yield site
    site.stop()
    shutil.rmtree(folder)


def register_and_promote(config, folder, number: int, *, against: str | None) -> None:
    portfolio = write_small_portfolio(folder / f"portfolio-{number}", f"text {number}")
    register_small(config, portfolio, f"build-{number}")
    assert promote(config, str(number), against=against).promoted


def history(path) -> dict:
    found = json.loads(palm("history", path, "--json").stdout)
    assert found["problems"] == []
    return found


def check(config, path, folder, expected: dict) -> None:
    assert history(path) == expected
    champion = promotions(config).champion()
    assert champion == expected["entries"][-1]["to"]
    folder.mkdir()
    promotions(config).certified.download(champion, folder)


def test_database_and_buckets_come_back_as_of_any_backup(site, workspace, backup_bucket, monkeypatch, faults):
    # As after an installation: an empty database gets its tables, then its users.
    site.job("mlflow-upgrade", "upgrade")
    assert site.job("mlflow-users", "users") == "user admin: created\nuser palm: created\n"
    site.start_mlflow()
    for name, value in {
        "MLFLOW_TRACKING_USERNAME": "palm",
        "MLFLOW_TRACKING_PASSWORD": USER,
        "AWS_ENDPOINT_URL": site.store.uri,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    path = edit_config(workspace, registry__tracking_uri=site.mlflow.uri, storage__root="s3://palm/store")
    config = load_config(path)
    store, client = Store("s3://palm/store"), site.store.client()

    register_and_promote(config, workspace, 1, against=None)
    register_and_promote(config, workspace, 2, against="1")
    promotions(config).rollback(why="too curt", who="test")
    store.publish("policies/one", workspace / "portfolio-1")
    client.put_object(Bucket="palm", Key="store/note", Body=b"first")
    first_history, first_files = history(path), site.files()
    first = site.job("palm-backup", "dump", "copy").split()[1]

    time.sleep(1.1)
    register_and_promote(config, workspace, 3, against="1")
    store.publish("policies/two", workspace / "portfolio-2")
    client.put_object(Bucket="palm", Key="store/note", Body=b"later")
    store.remove("policies/one")
    second_history, second_files = history(path), site.files()
    site.job("palm-backup", "dump", "copy")

    site.stop_mlflow()
    site.postgres.lose_the_database()
    site.lose_the_buckets()
    site.job("palm-restore", "fetch", "load")
    site.start_mlflow()
    assert site.files() == second_files
    assert not store.has("policies/one")
    check(config, path, workspace / "second", second_history)
    faults("loss of database and buckets")

    # Back to an earlier backup, with a database that is there, of a later version even.
    site.stop_mlflow()
    site.lose_the_buckets()
    site.postgres.ask("mlflow", "CREATE TABLE of_a_later_version (id integer PRIMARY KEY)")
    refused = site.job("palm-restore", "fetch", code=1, DUMP="20010101T000000Z")
    assert "error: DUMP=20010101T000000Z: is not in backup:palm-backup/database; give one of:" in refused
    site.job("palm-restore", "fetch", "load", DUMP=first)
    site.start_mlflow()
    assert first_files.items() <= site.files().items()
    check(config, path, workspace / "first", first_history)
    assert store.fetch("policies/one", workspace / "fetched")
    assert site.postgres.ask("mlflow", "SELECT to_regclass('of_a_later_version')") == ""
    faults("return to an earlier backup")

    # Of what is too old the newest backup stays, and nothing that only older ones needed.
    time.sleep(1.1)
    last = site.job("palm-backup", "dump", "copy", KEEP_DAYS="0").split()[1]
    kept = [entry["Key"] for entry in backup_bucket.list_objects_v2(Bucket="palm-backup")["Contents"]]
    assert [key for key in kept if key.startswith("database/")] == [f"database/{last}.dump"]
    assert not [key for key in kept if key.startswith("replaced/")]
    # A restored database is one that can be dumped and restored.
    site.stop_mlflow()
    site.job("palm-restore", "fetch", "load")


def test_new_passwords_in_the_secrets_are_those_of_the_users(site, monkeypatch):
    jobs = ("mlflow-users", "users")
    assert site.job(*jobs) == "user admin: created\nuser palm: created\n"
    site.secrets["mlflow-server"]["MLFLOW_AUTH_ADMIN_PASSWORD"] = "another-password-of-the-admin"
    site.secrets["palm-credentials"]["MLFLOW_TRACKING_PASSWORD"] = "another-password-of-tasks"
    assert site.job(*jobs) == "user admin: password set\nuser palm: password set\n"
    users = SqlAlchemyStore()
    for name, value in site.postgres.variables.items():
        monkeypatch.setenv(name, value)
    users.init_db("postgresql+psycopg2://")
    assert users.authenticate_user("admin", "another-password-of-the-admin") and users.get_user("admin").is_admin
    assert users.authenticate_user("palm", "another-password-of-tasks") and not users.get_user("palm").is_admin
    assert not users.authenticate_user("admin", ADMIN) and not users.authenticate_user("palm", USER)
    users.engine.dispose()
    site.secrets["palm-credentials"]["MLFLOW_TRACKING_USERNAME"] = "admin"
    assert "MLFLOW_TRACKING_USERNAME=admin: is the administrator" in site.job(*jobs, code=1)
