"""Both backends do the same."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.errors import one_line

from palm.errors import StorageError
from palm.storage.backend import open_backend
from palm.storage.location import Location
from palm.storage.manifest import MANIFEST
from palm.storage.s3_backend import S3Backend


@pytest.fixture
def backend(root):
    return open_backend(root)


def names(backend) -> set[str]:
    return {file.name for file in backend.files()}


def publish(backend, folder, content: bytes) -> bool:
    folder.mkdir(exist_ok=True)
    (folder / "a").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return backend.publish("entry", {backend.stored_name("sub/a", digest): folder / "a"}, digest.encode())


def test_a_file_is_read_as_it_was_written_last(backend):
    assert backend.read("b/1") is None and backend.files() == []
    for content in (b"first", b"\xff\n\r\n"):
        backend.write("b/1", content)
        assert backend.read("b/1") == content
    assert backend.read("b/1/2") is None
    assert names(backend) == {"b/1"}, "something temporary was left"


def test_files_are_listed_with_sizes_below_a_folder_and_not_beside_it(backend):
    for name in ("a/x", "a/deep/y", "a-other/z", "b"):
        backend.write(name, name.encode())
    assert names(backend) == {"a/x", "a/deep/y", "a-other/z", "b"}
    assert {file.name: file.size for file in backend.files("a")} == {"a/x": 3, "a/deep/y": 8}
    assert backend.files("none") == [] and backend.folders("none") == []
    assert backend.folders("a") == ["deep"] and backend.folders("") == ["a", "a-other"]
    times = [file.modified for file in backend.files()]
    assert max(times) - min(times) < 3600 and all(isinstance(time, float) for time in times)


def test_a_removal_takes_a_file_or_a_folder_and_no_neighbour(backend):
    for name in ("a/1", "a/2", "ab", "file", ".hidden/1", "x/.tmp"):
        backend.write(name, b"")
    for name in ("a", "file", ".hidden", "x/.tmp", "none", "a"):
        backend.remove(name)
    assert {name for name in names(backend) if not name.endswith("/")} == {"ab"}
    backend.remove("")
    assert backend.files() == []


def test_the_first_publisher_of_an_entry_wins(backend, tmp_path):
    assert publish(backend, tmp_path / "1", b"one") and publish(backend, tmp_path / "1", b"one")
    assert not publish(backend, tmp_path / "2", b"two")
    digest = hashlib.sha256(b"one").hexdigest()
    stored = f"entry/{backend.stored_name('sub/a', digest)}"
    assert backend.read(f"entry/{MANIFEST}") == digest.encode() and backend.read(stored) == b"one"


def test_of_many_publishers_at_once_one_wins(backend, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: publish(backend, tmp_path / str(number), b"%d" % number), range(8)))
    assert won.count(True) == 1
    assert backend.read(f"entry/{MANIFEST}") == hashlib.sha256(b"%d" % won.index(True)).hexdigest().encode()


def test_downloads_name_what_does_not_exist(backend, tmp_path):
    for number in range(20):
        backend.write(f"f/{number}", str(number).encode())
    (tmp_path / "in").mkdir()
    wanted = {tmp_path / "in" / str(number): f"f/{number}" for number in range(21)}
    assert backend.download(wanted) == {tmp_path / "in" / "20"}
    assert {path.name: path.read_text() for path in (tmp_path / "in").iterdir()} == {str(n): str(n) for n in range(20)}


def test_a_probe_leaves_nothing_and_no_upload_is_begun(backend):
    backend.check_writable()
    assert backend.files() == [] and backend.unfinished_uploads() == []
    backend.abort("none", "no-such-id")


CALLS = {
    "read": lambda backend: backend.read("x/y"),
    "write": lambda backend: backend.write("x/y", b""),
    "files": lambda backend: backend.files("x"),
    "folders": lambda backend: backend.folders("x"),
    "remove": lambda backend: backend.remove("x/y"),
    "check_writable": lambda backend: backend.check_writable(),
}


# With a file in the place of the root, reading finds nothing, and the folder of the file can be written.
@pytest.mark.parametrize(
    ("kind", "call"),
    [("s3", call) for call in CALLS] + [("folder", call) for call in CALLS if call not in ("read", "check_writable")],
)
def test_a_root_that_cannot_be_used_is_one_line_that_names_it(kind, call, tmp_path, request):
    if kind == "s3":
        request.getfixturevalue("s3")
        root = "s3://no-such-bucket/store"
    else:
        (tmp_path / "file").write_text("")
        root = str(tmp_path / "file")
    with one_line(StorageError, root):
        CALLS[call](open_backend(root))


@pytest.mark.parametrize("root", ["ftp://host/x", "S3://bucket/x"])
def test_a_root_of_another_kind_is_refused(root):
    with pytest.raises(StorageError, match="must be a folder or an s3:// prefix"):
        open_backend(root)


def test_a_folder_lists_times_empty_folders_and_hidden_ones(tmp_path):
    """A killed process may leave them."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/file").write_text("12345")
    (tmp_path / ".hidden").mkdir()
    os.utime(tmp_path / "a/file", (1000, 1000))
    found = {file.name: file for file in open_backend(str(tmp_path)).files()}
    assert set(found) == {"a/file", "a/b/", ".hidden/"} and found["a/file"].modified == 1000


def test_the_root_of_a_bucket_is_a_root(s3):
    for name in ("x", "a/y"):
        open_backend("s3://palm").write(name, b"")
    assert names(open_backend("s3://palm/")) == {"x", "a/y"} and names(open_backend("s3://palm/a")) == {"y"}


def test_of_conditional_writes_one_wins_and_its_repetition_is_no_loss(s3):
    bucket = S3Backend("s3://palm")
    assert bucket.create("a", b"one") and bucket.create("a", b"one"), "what a lost answer makes one do again"
    assert not bucket.create("a", b"two") and bucket.read("a") == b"one"


def test_a_failed_upload_among_many_is_an_error_that_names_it(s3, tmp_path):
    backend, files = S3Backend("s3://palm/u"), {str(number): tmp_path / str(number) for number in range(20)}
    for name, path in files.items():
        path.write_text(name)
    with pytest.raises(StorageError, match=r"s3://palm/u/none: .*No such file"):
        backend.upload({**files, "none": tmp_path / "none"})
    backend.upload(files)
    assert {name: backend.read(name) for name in names(backend)} == {name: name.encode() for name in files}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("s3://bucket/some/prefix/", {"is_s3", "is_url"}),
        ("https://host/x", {"is_url"}),
        ("/a/b.json", {"is_path", "is_absolute_path"}),
        ("./a", {"is_path"}),
        ("owner/name@revision", set()),
    ],
)
def test_a_location_is_known_by_its_spelling(text, kinds):
    location = Location(text)
    assert {kind for kind in ("is_s3", "is_url", "is_path", "is_absolute_path") if getattr(location, kind)} == kinds


def test_the_parts_of_a_location():
    address = Location("s3://bucket/some/prefix/file")
    assert address.bucket_and_key == ("bucket", "some/prefix/file")
    assert (address.parent, address.name) == ("s3://bucket/some/prefix", "file")
    assert Location("owner/name@main").hub_id == ("owner/name", "main")
    assert Location("owner/name").hub_id == ("owner/name", None)
