"""Storage in S3 behind a bad network, on a full disk, with damage, and with processes that are killed."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.damage import content
from support.errors import one_line
from support.s3_proxy import PERMANENT, TRANSIENT, Rule, s3_proxy
from support.workspace import edit_config, make_workspace

from palm.cluster.kfp.input_files import publish_inputs
from palm.config.load import load_config
from palm.config.resolve import resolve_config
from palm.errors import StorageError
from palm.storage.backend import open_backend
from palm.storage.local_file import fetch_s3_folder, list_s3_folder, local_file
from palm.storage.records import Records
from palm.storage.store import Store

ROOT = "s3://palm/team/store"


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("alpha" * 100)
    (folder / "sub" / "b.bin").write_bytes(bytes(range(256)) * 40)
    return folder


@pytest.fixture(scope="module")
def one_proxy(s3_server):
    with s3_proxy(s3_server) as proxy:
        yield proxy


@pytest.fixture
def proxy(s3, one_proxy, tmp_path, monkeypatch):
    """The product reaches the server through it, the fixture `s3` directly."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", one_proxy.address)
    one_proxy.rules.clear()
    return one_proxy


def stored(s3) -> dict[str, bytes]:
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="palm").get("Contents", [])]
    return {key: s3.get_object(Bucket="palm", Key=key)["Body"].read() for key in keys}


def clear(s3) -> None:
    for key in stored(s3):
        s3.delete_object(Bucket="palm", Key=key)
    for upload in s3.list_multipart_uploads(Bucket="palm").get("Uploads", []):
        s3.abort_multipart_upload(Bucket="palm", Key=upload["Key"], UploadId=upload["UploadId"])


@dataclass(frozen=True)
class Call:
    """A call of the product to S3, with files to work with."""

    act: Callable
    """Makes the call, given a new folder and the files."""
    result: Callable | None = None
    """The expected result, from the files; None: any."""
    prepare: Callable = lambda s3, work: None
    """Fills S3 directly before the call."""
    after: Callable = lambda there, work: True
    """Checks the objects by key after the call."""
    place: str = ROOT
    """Part of the address that an error names."""


def put(*keys: str):
    def prepare(s3, work):
        for key in keys:
            s3.put_object(Bucket="palm", Key=key, Body=json.dumps({"key": key}).encode())

    return prepare


def published(s3, work):
    """An entry, written without the code under test."""
    files = {name: hashlib.sha256(data).hexdigest() for name, data in content(work).items()}
    for name, digest in files.items():
        s3.put_object(Bucket="palm", Key=f"team/store/entry/sha256-{digest}", Body=(work / name).read_bytes())
    whole = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    text = json.dumps({"files": files, "sha256": whole})
    s3.put_object(Bucket="palm", Key="team/store/entry/manifest.json", Body=text.encode())


def is_whole(there, work) -> bool:
    """The entry has a manifest and all files, each once, with their content."""
    manifest = json.loads(there["team/store/entry/manifest.json"])
    blobs = {name: there[f"team/store/entry/sha256-{digest}"] for name, digest in manifest["files"].items()}
    return blobs == content(work) and len(there) == 1 + len(blobs)


def fetched(folder: Path, work: Path):
    assert Store(ROOT).fetch("entry", folder / "out")
    return content(folder / "out")


def folder_fetched(folder: Path, work: Path):
    fetch_s3_folder("s3://palm/model", folder / "model")
    return content(folder / "model")


def inputs_made(s3, work):
    folder = work.parent / "inputs"
    if not folder.exists():
        folder.mkdir()
        edit_config(make_workspace(folder), storage__root=ROOT, registry__tracking_uri="http://mlflow")


def uploaded_inputs(folder: Path, work: Path):
    config = publish_inputs(load_config(work.parent / "inputs" / "portfolio.yaml"))
    return [config.prompts.train, config.prompts.eval, config.base_model.tiny.corpus]


def inputs_are_there(there, work) -> bool:
    return sorted(key.rsplit("/", 1)[-1] for key in there) == [
        "corpus.jsonl", "eval.jsonl", "rewards.py", "train.jsonl",
    ] and all(there.values())  # fmt: skip


def begun(s3, work):
    s3.create_multipart_upload(Bucket="palm", Key="team/store/entry/sha256-0")


def aborted(folder: Path, work: Path):
    backend = open_backend(ROOT)
    for upload in backend.unfinished_uploads():
        backend.abort(upload.name, upload.upload)
    return backend.unfinished_uploads()


KEY_A = {"key": "team/store/b/a.json"}
CALLS = {
    "publish": Call(lambda folder, work: Store(ROOT).publish("entry", work), lambda work: True, after=is_whole),
    "fetch": Call(fetched, content, published),
    "entries": Call(lambda folder, work: Store(ROOT).entries(""), lambda work: ["entry"], published),
    "remove": Call(
        lambda folder, work: Store(ROOT).remove("entry"), prepare=published, after=lambda there, work: not there
    ),
    "check_writable": Call(
        lambda folder, work: Store(ROOT).check_writable(),
        after=lambda there, work: all(key.startswith(PROBE) for key in there),
    ),
    "write a record": Call(
        lambda folder, work: Records(ROOT).write("b/a", KEY_A),
        after=lambda there, work: json.loads(there["team/store/b/a.json"]) == KEY_A,
    ),
    "read a record": Call(
        lambda folder, work: Records(ROOT).read("b/a"), lambda work: KEY_A, put("team/store/b/a.json")
    ),
    "read all records": Call(
        lambda folder, work: Records(ROOT).read_all("b"),
        lambda work: [KEY_A, {"key": "team/store/b/c.json"}],
        put("team/store/b/a.json", "team/store/b/c.json"),
    ),
    "local_file": Call(
        lambda folder, work: json.loads(local_file("s3://palm/x/train.jsonl").read_text()),
        lambda work: {"key": "x/train.jsonl"},
        put("x/train.jsonl"),
        place="s3://palm/x/train.jsonl",
    ),
    "configuration": Call(
        lambda folder, work: resolve_config("s3://palm/config.yaml").name,
        lambda work: "small",
        lambda s3, work: s3.put_object(Bucket="palm", Key="config.yaml", Body=placed_configuration(work)),
        place="s3://palm/config.yaml",
    ),
    "list a folder": Call(
        lambda folder, work: sorted(list_s3_folder("s3://palm/model")),
        lambda work: ["a", "b/c"],
        put("model/a", "model/b/c"),
        place="s3://palm/model",
    ),
    "fetch a folder": Call(
        folder_fetched,
        lambda work: {"a": b'{"key": "model/a"}', "b/c": b'{"key": "model/b/c"}'},
        put("model/a", "model/b/c"),
        place="s3://palm/model",
    ),
    "upload inputs": Call(uploaded_inputs, prepare=inputs_made, after=inputs_are_there, place=f"{ROOT}/inputs"),
    "list everything": Call(
        lambda folder, work: [file.name for file in open_backend(ROOT).files()],
        lambda work: ["b/a.json"],
        put("team/store/b/a.json"),
    ),
    "abort uploads": Call(aborted, lambda work: [], begun),
}  # fmt: skip
PROBE = "team/store/.palm-probe/"


def placed_configuration(work: Path) -> bytes:
    folder = work.parent / "configuration"
    folder.mkdir(exist_ok=True)
    return load_config(make_workspace(folder) / "portfolio.yaml").to_yaml().encode()


class Bench:
    """Makes calls, each from the same state of S3 and of this machine."""

    def __init__(self, s3, proxy, tmp_path, work, monkeypatch):
        self.s3, self.proxy, self.tmp_path, self.work, self.monkeypatch = s3, proxy, tmp_path, work, monkeypatch
        self.count = 0

    def fresh(self, call: Call) -> Path:
        self.proxy.rules.clear()
        clear(self.s3)
        call.prepare(self.s3, self.work)
        self.proxy.requests.clear()
        return self.folder()

    def folder(self) -> Path:
        self.count += 1
        folder = self.tmp_path / f"call-{self.count}"
        folder.mkdir()
        self.monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return folder

    def check(self, call: Call, folder: Path) -> None:
        result = call.act(folder, self.work)
        assert call.result is None or result == call.result(self.work)
        assert call.after(stored(self.s3), self.work)


@pytest.fixture
def bench(s3, proxy, tmp_path, work, monkeypatch):
    return Bench(s3, proxy, tmp_path, work, monkeypatch)


@pytest.mark.parametrize("name", CALLS)
def test_a_fault_that_passes_is_survived_at_every_request(bench, name, faults):
    call = CALLS[name]
    bench.check(call, bench.fresh(call))
    requests = len(bench.proxy.requests)
    for fault in TRANSIENT:
        # After SlowDown botocore waits up to a second: once a call is enough of that.
        for number in range(1, 2 if fault in ("503", "delay") else requests + 1):
            folder = bench.fresh(call)
            rule = Rule(fault, first=number)
            bench.proxy.rules.append(rule)
            bench.check(call, folder)
            assert rule.done == 1, f"{fault} at request {number} of {requests}"
            faults(f"S3: {fault}, once")


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("fault", PERMANENT)
def test_a_fault_that_stays_is_one_line_and_the_call_works_afterwards(bench, name, fault, faults, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2" if fault != "503" else "1")
    call = CALLS[name]
    folder = bench.fresh(call)
    bench.proxy.rules.append(Rule(fault, times=float("inf")))
    with one_line(StorageError, call.place):
        call.act(folder, bench.work)
    there = stored(bench.s3)
    assert "team/store/entry/manifest.json" not in there or is_whole(there, bench.work)
    assert not [path for path in folder.rglob("*") if path.parent.name in ("out", "downloads")], (
        "something half is visible"
    )
    bench.proxy.rules.clear()
    bench.check(call, bench.folder())
    faults(f"S3: {fault}, for good")


@pytest.mark.parametrize("target", ["sha256-", "manifest.json"])
@pytest.mark.parametrize("fault", PERMANENT)
def test_a_publication_that_fails_is_not_visible_half(bench, fault, target, faults, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2" if fault != "503" else "1")
    call = CALLS["publish"]
    bench.fresh(call)
    bench.proxy.rules.append(Rule(fault, "PUT", target, times=float("inf")))
    with pytest.raises(StorageError, match="team/store/entry"):
        Store(ROOT).publish("entry", bench.work)
    there = stored(bench.s3)
    # After a lost answer the manifest may be there, then all else is.
    assert "team/store/entry/manifest.json" not in there or is_whole(there, bench.work)
    bench.proxy.rules.clear()
    assert Store(ROOT).publish("entry", bench.work)
    assert is_whole(stored(bench.s3), bench.work)
    faults(f"S3: {fault}, for good")


@pytest.fixture
def large(tmp_path):
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "weights").write_bytes(bytes(range(251)) * ((9 << 20) // 251))
    return folder


@pytest.mark.parametrize("fault", TRANSIENT)
@pytest.mark.parametrize(
    "method, target", [("POST", "uploads"), ("PUT", "partNumber=2"), ("POST", "uploadId"), ("GET", "sha256-")]
)
def test_large_files_survive_faults_of_their_parts(bench, large, fault, method, target, faults):
    bench.fresh(CALLS["publish"])
    rule = Rule(fault, method, target)
    bench.proxy.rules.append(rule)
    assert Store(ROOT).publish("entry", large)
    assert is_whole(stored(bench.s3), large)
    # Of a beginning whose answer was lost nobody knows the id; garbage collection finds it.
    lost = target == "uploads" and fault in ("reset after", "truncate")
    assert len(bench.s3.list_multipart_uploads(Bucket="palm").get("Uploads", [])) == lost
    assert Store(ROOT).fetch("entry", bench.tmp_path / "out") and content(bench.tmp_path / "out") == content(large)
    assert rule.done == 1
    faults(f"S3: {fault}, once")


def test_an_upload_that_is_completed_twice_is_no_error(bench, large, faults):
    """S3 does not know the upload any more when the first answer was lost; the stand-in behind the proxy does."""
    bench.fresh(CALLS["publish"])
    ends = [Rule("reset after", "POST", "uploadId"), Rule("404", "POST", "uploadId")]
    bench.proxy.rules.extend(ends)
    assert Store(ROOT).publish("entry", large) and is_whole(stored(bench.s3), large)
    assert [rule.done for rule in ends] == [1, 1]
    faults("S3: reset after, once")
