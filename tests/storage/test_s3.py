"""One client for a process and its environment, and writes that only the first one wins."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from palm.errors import StorageError
from palm.storage.s3 import fetch_s3_folder, list_s3_folder, s3_create, s3_delete, s3_read, s3_upload, s3_write
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
    s3_write("s3://palm/x", b"content")
    client, stop = s3_client(), threading.Event()

    def busy() -> None:
        while not stop.is_set():
            s3_read("s3://palm/x")

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        codes = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                os._exit(0 if s3_client() is not client and s3_read("s3://palm/x") == b"content" else 1)
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


def test_of_conditional_writes_one_wins_and_its_repetition_is_no_loss(s3):
    assert s3_create("s3://palm/a", b"one") and s3_read("s3://palm/a") == b"one"
    assert s3_create("s3://palm/a", b"one"), "what a lost answer makes one do again"
    assert not s3_create("s3://palm/a", b"two") and s3_read("s3://palm/a") == b"one"
    with ThreadPoolExecutor(8) as pool:
        wins = list(pool.map(lambda number: s3_create("s3://palm/b", str(number).encode()), range(8)))
    assert wins.count(True) == 1 and s3_read("s3://palm/b") == str(wins.index(True)).encode()


def test_a_failed_upload_among_many_is_an_error(s3, tmp_path):
    for number in range(20):
        (tmp_path / str(number)).write_text(str(number))
    files = {f"s3://palm/u/{number}": tmp_path / str(number) for number in range(20)}
    with pytest.raises(FileNotFoundError):
        s3_upload({**files, "s3://palm/u/none": tmp_path / "none"})
    s3_upload(files)
    assert {name: s3_read(f"s3://palm/u/{name}") for name in list_s3_folder("s3://palm/u")} == {
        str(number): str(number).encode() for number in range(20)
    }
    s3_delete("palm", [f"u/{number}" for number in (*range(20), "never-there")])


def test_names_with_special_characters_and_markers_of_folders(s3, tmp_path):
    for key in ("m/", "m/sub/", "m/a #1?.txt", "m/sub/ä b.txt"):
        s3.put_object(Bucket="palm", Key=key, Body=key.encode())
    fetch_s3_folder("s3://palm/m", tmp_path / "m")
    assert (tmp_path / "m/a #1?.txt").read_text() == "m/a #1?.txt"
    assert (tmp_path / "m/sub/ä b.txt").read_text() == "m/sub/ä b.txt"
    s3.delete_object(Bucket="palm", Key="m/a #1?.txt")
    with pytest.raises(StorageError, match=r"m/a #1\?\.txt: is not there any more"):
        fetch_s3_folder("s3://palm/m", tmp_path / "again", ["a #1?.txt"])


def test_nothing_of_boto3_is_imported_before_it_is_needed():
    """Commands that have nothing to do with S3 start without it."""
    code = "import sys, palm.storage.store, palm.builds.garbage.collect; sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
