"""Stores that lack parts of S3, and settings with which palm works with some of them."""

import re
import socket
import subprocess
import sys
import threading

import pytest
from support.errors import one_line
from support.s3_proxy import LIMITS, s3_proxy
from support.workspace import edit_config

from palm.builds.inputs import check_inputs
from palm.builds.launch.manifest import train_job_manifest
from palm.config.load import load_config, parse_config
from palm.config.resolve import publish_config, resolve_config
from palm.config.train_job import TrainJobSettings
from palm.errors import ConfigError, StorageError
from palm.storage.backend import open_backend
from palm.storage.records import Records
from palm.storage.s3_client import s3_client
from palm.storage.s3_settings import as_told_by, s3_settings, use_s3_settings
from palm.storage.store import Store

ROOT = "s3://palm/team/store"
REFUSED = {
    "refuses If-None-Match": "no conditional writes .*: it refuses the header",
    "refuses If-None-Match as invalid": "no conditional writes .*: it refuses the header",
    "ignores If-None-Match": "no conditional writes .*: it ignores the header",
    "refuses checksums": "InvalidArgument.*set storage.checksums: when_required",
    "demands encryption": "AccessDenied.*set storage.server_side_encryption",
    "refuses parts": "NotImplemented.*CreateMultipartUpload",
    "ignores ranges": "download in ranges differs",
    "refuses removals": "AccessDenied.*DeleteObject",
    "lists late": "is not listed after it was written",
}


@pytest.fixture
def proxy(s3, s3_server, monkeypatch):
    with s3_proxy(s3_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.address)
        yield proxy


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "large").write_bytes(bytes(9 << 20))
    (folder / "small").write_text("x")
    return folder


def round_trip(work, destination) -> None:
    store = Store(ROOT)
    store.check_writable()
    assert store.publish("entry", work) and store.fetch("entry", destination)
    Records(ROOT).write("builds/b/build", {"a": 1})
    assert Records(ROOT).read("builds/b/build") == {"a": 1}


def test_every_limit_is_told_or_lifted():
    assert {*REFUSED, "path style only"} == set(LIMITS)


@pytest.mark.parametrize("limit", REFUSED)
def test_what_a_store_lacks_is_told_before_the_work(proxy, workspace, limit):
    config = load_config(edit_config(workspace, storage__root=ROOT))
    proxy.limits.add(limit)
    with one_line(StorageError, f"{ROOT}/.palm-probe") as caught:
        check_inputs(config)
    assert re.search(REFUSED[limit], str(caught.value)), caught.value


def test_a_probe_is_removed_and_several_may_probe_at_once(proxy):
    backends = [open_backend(ROOT) for _ in range(2)]
    for backend in backends:
        backend.check_writable()
    assert backends[0].files() == [] and backends[0].unfinished_uploads() == []
    assert len({request for request in proxy.requests if request.startswith("DELETE")}) == 2


def test_work_that_was_not_probed_stops_where_it_would_overwrite(proxy, work):
    proxy.limits.add("refuses If-None-Match")
    with pytest.raises(StorageError, match="entry/manifest.json: the store has no conditional writes"):
        Store(ROOT).publish("entry", work)


@pytest.mark.parametrize(
    ("limit", "settings"),
    [
        ("refuses checksums", {"checksums": "when_required"}),
        ("demands encryption", {"server_side_encryption": "AES256"}),
        ("demands encryption", {"server_side_encryption": "aws:kms", "kms_key": "key-1"}),
    ],
)
def test_settings_lift_a_limit(proxy, work, tmp_path, workspace, limit, settings):
    proxy.limits.add(limit)
    load_config(edit_config(workspace, storage={"root": ROOT, **settings}))
    round_trip(work, tmp_path / "out")


def test_an_endpoint_with_buckets_in_paths_only(proxy, work, tmp_path, workspace, monkeypatch):
    proxy.limits.add("path style only")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    address = proxy.address.replace("127.0.0.1", "localhost")
    settings = {"endpoint": address, "region": "eu-central-1", "addressing_style": "virtual"}
    load_config(edit_config(workspace, storage={"root": ROOT, **settings}))
    with pytest.raises(StorageError):
        Store(ROOT).check_writable()
    load_config(edit_config(workspace, storage={"root": ROOT, **settings, "addressing_style": "path"}))
    assert s3_client().meta.region_name == "eu-central-1"
    round_trip(work, tmp_path / "out")


SETTINGS = {"addressing_style": "path", "checksums": "when_required", "server_side_encryption": "AES256"}


@pytest.fixture
def limited(proxy, workspace, monkeypatch):
    """The configuration for a limited store that no variable of AWS leads to."""
    proxy.limits |= {"refuses checksums", "demands encryption", "path style only"}
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    settings = {**SETTINGS, "endpoint": proxy.address, "region": "us-east-1"}
    return load_config(edit_config(workspace, storage={"root": ROOT, **settings}))


def test_the_settings_reach_a_task_that_knows_only_the_address(limited):
    """As a pod, which gets the address as its parameter."""
    address = publish_config(limited)
    code = (
        "import sys; from palm.config.resolve import resolve_config; from palm.storage.records import Records\n"
        "config = resolve_config(sys.argv[1]); Records(config.storage.root).write('from-a-pod', {})"
    )
    use_s3_settings({})
    subprocess.run([sys.executable, "-c", code, address], check=True)
    assert resolve_config(address) == limited
    assert Records(ROOT).read("from-a-pod") == {}


def test_the_settings_reach_the_nodes_of_train_jobs(limited):
    manifest = train_job_manifest(
        TrainJobSettings(runtime="torch", nodes=2, cpu="1", memory="1Gi"),
        "policy",
        namespace="n",
        image="i",
        command=["c"],
        processes=1,
    )
    variables = {entry["name"]: entry.get("value") for entry in manifest["spec"]["trainer"]["env"]}
    assert variables["PALM_S3_ENDPOINT"] == limited.storage.endpoint
    assert variables["PALM_S3_SERVER_SIDE_ENCRYPTION"] == "AES256"


def test_a_configuration_without_settings_uses_those_of_aws_and_is_stored_as_before(limited, workspace):
    assert s3_settings()
    plain = load_config(edit_config(workspace, storage={"root": ROOT}))
    assert s3_settings() == {} and plain.model_dump(mode="json")["storage"] == {"root": ROOT}
    assert parse_config(limited.to_json()) == limited and s3_settings()["checksums"] == "when_required"


def test_settings_that_stay_are_there_at_every_moment():
    """Another thread makes a client while a step reads its configuration."""
    settings = {"endpoint": "http://minio:9000", "checksums": "when_required"}
    use_s3_settings(settings)
    seen, ended = set(), threading.Event()

    def look() -> None:
        while not ended.is_set():
            seen.add(tuple(s3_settings().items()))

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(20_000):
        use_s3_settings({**settings, "region": None})
    ended.set()
    thread.join()
    assert seen == {tuple(settings.items())}


def test_the_settings_that_an_address_tells_hold_for_a_look():
    use_s3_settings({"endpoint": "http://own:9000", "server_side_encryption": "AES256"})
    own = s3_settings()
    with pytest.raises(StorageError), as_told_by(f"{ROOT}/configs/1.json?region=eu&checksums=when_required") as plain:
        assert plain == f"{ROOT}/configs/1.json"
        assert s3_settings() == {"region": "eu", "checksums": "when_required"}
        raise StorageError("a", rule="b", remedy="c")
    assert s3_settings() == own
    for other in (f"{ROOT}/configs/1.json", f"{ROOT}/odd?name.json"):
        with as_told_by(other) as plain:
            assert plain == other and s3_settings() == own


def test_a_server_that_never_answers_gets_as_many_requests_as_any_other(s3, monkeypatch):
    monkeypatch.setattr("palm.storage.s3_client._READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(StorageError, match="Read timeout"):
            open_backend(ROOT).read("a")
        server.setblocking(False)
        connections = []
        with pytest.raises(BlockingIOError):
            while True:
                connections.append(server.accept()[0])
        for connection in connections:
            connection.close()
    assert len(connections) == 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kms_key": "k"}, "needs server_side_encryption"),
        ({"endpoint": "minio:9000"}, "storage.endpoint"),
        ({"endpoint": "http://user:secret@minio"}, "storage.endpoint"),
        ({"checksums": "never"}, "storage.checksums"),
    ],
)
def test_settings_that_mean_nothing_are_refused(workspace, settings, message):
    with pytest.raises(ConfigError, match=message) as error:
        load_config(edit_config(workspace, storage={"root": ROOT, **settings}))
    assert "secret" not in str(error.value)
