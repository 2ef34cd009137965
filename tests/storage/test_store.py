import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.damage import content

from palm.builds.reuse import reuse_or_make
from palm.errors import DamagedError
from palm.storage.backend import open_backend
from palm.storage.digest import folder_digests
from palm.storage.manifest import MANIFEST
from palm.storage.store import Store

FILES = {"a.txt": b"alpha", "policy.json": b"{}", "sub/b.bin": bytes(range(256)) * 50, "sub/log.json": b"[]"}


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    (folder / "sub").mkdir(parents=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return folder


def test_an_entry_is_fetched_as_it_was_published(root, work, tmp_path):
    store, out = Store(root), tmp_path / "out"
    out.mkdir()
    assert not store.fetch("entry", out) and list(out.iterdir()) == []
    assert not store.fetch("entry", tmp_path / "none") and not (tmp_path / "none").exists()
    assert not store.has("entry") and store.entries("") == []
    store.publish("entry", work)
    assert store.fetch("entry", out) and content(out) == FILES
    assert store.has("entry") and store.entries("") == ["entry"]


def test_only_some_files_of_an_entry_are_fetched(root, work, tmp_path):
    store = Store(root)
    store.publish("entry", work)
    assert store.fetch("entry", tmp_path / "out", only="*.json")
    assert content(tmp_path / "out").keys() == {"policy.json", "sub/log.json"}
    assert not store.fetch("another", tmp_path / "none", only="*.json") and not (tmp_path / "none").exists()
    assert store.fetch("entry", tmp_path / "nothing", only="*.html") and not any((tmp_path / "nothing").iterdir())


def test_damage_is_found_in_fetched_files_only_and_named(root, work, tmp_path):
    store, backend = Store(root), open_backend(root)
    store.publish("entry", work)
    damaged = backend.stored_name("a.txt", hashlib.sha256(FILES["a.txt"]).hexdigest())
    backend.write(f"entry/{damaged}", b"alphA")
    assert store.fetch("entry", tmp_path / "records", only="*.json")
    with pytest.raises(DamagedError, match=r"entry/a\.txt: sha256 is .*, the manifest says"):
        store.fetch("entry", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_workers_who_make_the_same_entry_at_once_end_with_the_same_bytes(root, tmp_path):
    """Each makes different bytes (a time stamp would do); all must go on with those of the entry."""
    count = 6
    barrier = threading.Barrier(count)

    def worker(number: int) -> str:
        def make(folder):
            barrier.wait()
            (folder / "big").write_bytes(bytes([number]) * 100_000)
            (folder / "seconds").write_text(str(number))

        out = tmp_path / f"out{number}"
        reuse_or_make(Store(root), "entry", {"same": True}, out, make)
        return f"{(out / 'big').read_bytes()[0]} {(out / 'seconds').read_text()} {len(list(out.iterdir()))}"

    with ThreadPoolExecutor(count) as pool:
        results = set(pool.map(worker, range(count)))
    assert len(results) == 1
    winner = results.pop().split()
    assert winner[0] == winner[1] and winner[2] == "2"
    assert reuse_or_make(Store(root), "entry", {"same": True}, tmp_path / "late", lambda folder: None)


def test_an_entry_without_manifest_does_not_exist_and_can_be_published(root, work, tmp_path):
    """A killed publisher or removal leaves one."""
    store = Store(root)
    store.publish("some/entry", work)
    open_backend(root).remove(f"some/entry/{MANIFEST}")
    assert store.entries("some") == [] and not store.has("some/entry")
    assert not store.fetch("some/entry", tmp_path / "out")
    assert store.publish("some/entry", work)
    assert store.entries("some") == ["entry"] and store.fetch("some/entry", tmp_path / "out")


def test_removing_and_publishing_at_once_loses_no_error(root, work):
    """Several workers of the same policy keep, prune and discard checkpoints of the same names."""
    store = Store(root)

    def worker(number: int) -> None:
        for step in range(4):
            store.publish(f"checkpoints/p/{step}", work)
            store.remove(f"checkpoints/p/{step - 1}")
        store.remove("checkpoints/p")

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(worker, range(4)))
    store.remove("checkpoints/p")
    assert store.entries("checkpoints/p") == []


def test_a_file_with_the_name_of_the_manifest_is_a_file_as_others(root, tmp_path):
    folder = tmp_path / "work"
    (folder / "sub").mkdir(parents=True)
    for name in ("manifest.json", "sub/manifest.json", "config.json"):
        (folder / name).write_text(json.dumps({"name": name}))
    store = Store(root)
    assert store.publish("entry", folder) and store.publish("entry", folder)
    assert store.fetch("entry", tmp_path / "out")
    assert folder_digests(tmp_path / "out") == folder_digests(folder)
    assert store.entries("") == ["entry"]
