"""The client of a process, and folders that a configuration names."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from palm.errors import StorageError
from palm.storage.local_file import fetch_s3_folder, list_s3_folder
from palm.storage.s3_backend import S3Backend
from palm.storage.s3_client import s3_client


def test_a_process_has_one_client_which_follows_the_environment(s3, monkeypatch):
    first = s3_client()
    with ThreadPoolExecutor(4) as pool:
        assert {id(client) for client in pool.map(lambda _: s3_client(), range(8))} == {id(first)}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    second = s3_client()
    assert second is not first
    assert second._request_signer._credentials.access_key == "another"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    assert s3_client().meta.endpoint_url == "http://127.0.0.1:1"


def test_a_forked_process_has_connections_of_its_own(s3):
    """Also when a thread of its parent is in the middle of a request."""
    bucket = S3Backend("s3://palm")
    bucket.write("x", b"content")
    client, stop = s3_client(), threading.Event()

    def busy() -> None:
        while not stop.is_set():
            bucket.read("x")

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        codes = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                os._exit(0 if s3_client() is not client and bucket.read("x") == b"content" else 1)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    finally:
        stop.set()
        thread.join()
    assert codes == [0, 0, 0]


@pytest.mark.parametrize("variables, attempts", [({}, 5), ({"AWS_MAX_ATTEMPTS": "2"}, 2)])
def test_attempts(s3, monkeypatch, variables, attempts):
    monkeypatch.delenv("AWS_MAX_ATTEMPTS", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert s3_client().meta.config.retries == {"total_max_attempts": attempts, "mode": "standard"}


def test_attempts_of_the_users_configuration_file(s3, monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[default]\nmax_attempts = 7\nretry_mode = adaptive\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert s3_client().meta.config.retries == {"total_max_attempts": 7, "mode": "adaptive"}


def test_a_folder_is_listed_and_downloaded_without_markers_and_neighbours(s3, tmp_path):
    wanted = {"a #1?.txt", "sub/ä b.txt"}
    for key in ("m/", "m/sub/", "m-other/y", *(f"m/{name}" for name in wanted)):
        s3.put_object(Bucket="palm", Key=key, Body=key.encode())
    assert set(list_s3_folder("s3://palm/m")) == wanted
    fetch_s3_folder("s3://palm/m", tmp_path / "m")
    assert {path.relative_to(tmp_path / "m").as_posix() for path in (tmp_path / "m").rglob("*.txt")} == wanted
    assert (tmp_path / "m/sub/ä b.txt").read_text() == "m/sub/ä b.txt"
    s3.delete_object(Bucket="palm", Key="m/a #1?.txt")
    with pytest.raises(StorageError, match=r"m/a #1\?\.txt: does not exist any more"):
        fetch_s3_folder("s3://palm/m", tmp_path / "again", ["a #1?.txt"])
    with pytest.raises(StorageError, match="s3://palm/none: holds no objects"):
        fetch_s3_folder("s3://palm/none", tmp_path / "none")


def test_an_object_that_leads_out_of_its_folder_is_not_fetched(s3, tmp_path):
    for name in ("a.json", "../../b.json"):
        s3.put_object(Bucket="palm", Key=f"models/judge/{name}", Body=b"{}")
    assert set(list_s3_folder("s3://palm/models/judge")) == {"a.json", "../../b.json"}
    fetch_s3_folder("s3://palm/models/judge", tmp_path / "in" / "side", ["a.json"])
    assert [path.name for path in tmp_path.rglob("*.json")] == ["a.json"]
    with pytest.raises(StorageError, match=r"judge/\.\./\.\./b\.json: leads out of the folder"):
        fetch_s3_folder("s3://palm/models/judge", tmp_path / "in" / "side")
    assert not (tmp_path / "b.json").exists()


def test_nothing_of_boto3_is_imported_before_it_is_needed(tmp_path):
    """Commands that have nothing to do with S3 start and work without it."""
    code = (
        "import sys, palm.builds.garbage.collect; from palm.storage.store import Store; from pathlib import Path\n"
        "store = Store(sys.argv[1]); store.check_writable(); store.publish('entry', Path(sys.argv[1]))\n"
        "sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(command, cwd=Path(__file__).parents[2]).returncode == 0
