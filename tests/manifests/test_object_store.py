"""The S3 server for development supports what palm's storage uses."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError
from support.object_store import KEY, SECRET, ObjectStore

from palm.storage.local_file import list_s3_folder
from palm.storage.s3_backend import S3Backend
from palm.storage.store import Store

LARGE = 20 * 2**20
"""Bytes; boto3 sends it in three parts."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = ObjectStore(tmp_path_factory.mktemp("object-store")).start()
    yield server
    server.stop()


@pytest.fixture
def reached(server, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": server.uri,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    return server


def test_it_makes_its_buckets_and_knows_one_user(server):
    assert {bucket["Name"] for bucket in server.client().list_buckets()["Buckets"]} == {"palm", "mlflow"}
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        server.client(key="somebody").list_objects_v2(Bucket="palm")
    with pytest.raises(ClientError, match="NoSuchBucket|AccessDenied"):
        server.client().put_object(Bucket="misspelt", Key="key", Body=b"")


def test_one_of_many_that_create_an_object_wins(reached):
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: S3Backend("s3://palm").create("once", b"%d" % number), range(8)))
    assert won.count(True) == 1
    assert S3Backend("s3://palm").read("once") == b"%d" % won.index(True)


def test_large_files_go_in_parts_and_come_back(reached, tmp_path):
    (tmp_path / "large").write_bytes(bytes(range(256)) * (LARGE // 256))
    (tmp_path / "empty").touch()
    backend = S3Backend("s3://palm/folder")
    backend.upload({name: tmp_path / name for name in ("large", "empty")})
    assert not backend.download({tmp_path / "again": "large"})
    assert (tmp_path / "again").read_bytes() == (tmp_path / "large").read_bytes()
    listed = list_s3_folder("s3://palm/folder")
    assert set(listed) == {"large", "empty"} and listed["large"].strip('"').endswith("-3")
    for name in ("large", "empty", "never-there"):
        backend.remove(name)
    assert backend.files() == [] and backend.read("large") is None


def test_an_upload_that_was_never_ended_is_found_and_removed(reached):
    upload = reached.client().create_multipart_upload(Bucket="palm", Key="begun/large")["UploadId"]
    reached.client().upload_part(Bucket="palm", Key="begun/large", UploadId=upload, PartNumber=1, Body=b"x" * 2**20)
    backend = S3Backend("s3://palm/begun")
    (found,) = backend.unfinished_uploads()
    assert found.name == "large"
    backend.abort(found.name, found.upload)
    assert backend.unfinished_uploads() == []


def test_a_store_on_it_keeps_folders_whole(reached, tmp_path):
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "adapter").write_bytes(b"weights")
    store = Store("s3://palm/store")
    store.check_writable()
    assert store.publish("policies/one", tmp_path / "policy")
    (tmp_path / "policy" / "adapter").write_bytes(b"others")
    assert not store.publish("policies/one", tmp_path / "policy")
    assert store.fetch("policies/one", tmp_path / "fetched")
    assert (tmp_path / "fetched" / "adapter").read_bytes() == b"weights"
    assert store.entries("policies") == ["one"]
    store.remove("policies/one")
    assert not store.has("policies/one")
