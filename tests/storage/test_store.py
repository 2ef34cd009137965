import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from palm.builds.reuse import reuse_or_make
from palm.errors import DamagedError, StorageError
from palm.storage.store import Store


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("alpha")
    (folder / "sub" / "b.bin").write_bytes(bytes(range(256)) * 50)
    return folder


def test_published_is_fetched_as_it_was(root, work, tmp_path):
    store = Store(root)
    assert not store.fetch("entry-1", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    store.publish("entry-1", work)
    assert store.fetch("entry-1", tmp_path / "out")
    assert (tmp_path / "out" / "sub" / "b.bin").read_bytes() == (work / "sub" / "b.bin").read_bytes()
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_only_some_files_of_an_entry_are_fetched_and_these_are_checked(root, work, tmp_path):
    (work / "policy.json").write_text("{}")
    (work / "sub" / "log.json").write_text("[]")
    store = Store(root)
    store.publish("entry-1", work)
    assert store.fetch("entry-1", tmp_path / "out", only="*.json")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {"policy.json", "sub/log.json"}
    assert not store.fetch("entry-2", tmp_path / "none", only="*.json") and not (tmp_path / "none").exists()
    assert store.fetch("entry-1", tmp_path / "nothing", only="*.html") and not any((tmp_path / "nothing").iterdir())


def test_damage_is_found_in_what_is_fetched_and_not_in_the_rest(tmp_path, work):
    (work / "policy.json").write_text("{}")
    store = Store(str(tmp_path / "store"))
    store.publish("entry-1", work)
    (tmp_path / "store" / "entry-1" / "a.txt").write_text("other")
    assert store.fetch("entry-1", tmp_path / "records", only="*.json")
    (tmp_path / "store" / "entry-1" / "policy.json").write_text("[]")
    with pytest.raises(DamagedError, match="entry-1/policy.json: sha256 is"):
        store.fetch("entry-1", tmp_path / "damaged", only="*.json")
    assert not (tmp_path / "damaged").exists()


def test_first_publisher_wins(root, work, tmp_path):
    store = Store(root)
    assert store.publish("entry-1", work)
    (work / "a.txt").write_text("other")
    assert not store.publish("entry-1", work)
    store.fetch("entry-1", tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_text() == "alpha"


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


def test_damage_in_a_folder_is_found_and_named(work, tmp_path):
    store = Store(str(tmp_path / "store"))
    store.publish("entry-1", work)
    (tmp_path / "store" / "entry-1" / "a.txt").write_text("alphA")
    with pytest.raises(StorageError, match=r"entry-1/a\.txt.*sha256"):
        store.fetch("entry-1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damage_in_s3_is_found_and_named(s3, work, tmp_path):
    store = Store("s3://palm/prefix")
    store.publish("entry-1", work)
    key = f"prefix/entry-1/sha256-{hashlib.sha256(b'alpha').hexdigest()}"
    s3.put_object(Bucket="palm", Key=key, Body=b"alphA")
    with pytest.raises(StorageError, match=r"entry-1/a\.txt.*sha256"):
        store.fetch("entry-1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_entry_without_manifest_does_not_exist(s3, work, tmp_path):
    s3.put_object(Bucket="palm", Key="prefix/entry-1/a.txt", Body=b"half")
    assert not Store("s3://palm/prefix").fetch("entry-1", tmp_path / "out")


def test_what_a_killed_removal_has_left_does_not_stop_publishing(work, tmp_path):
    """The folder is there, its manifest is not."""
    store = Store(str(tmp_path / "store"))
    assert store.publish("some/entry", work)
    (tmp_path / "store" / "some" / "entry" / "manifest.json").unlink()
    assert store.entries("some") == []
    assert store.publish("some/entry", work)
    assert store.entries("some") == ["entry"]
    assert store.fetch("some/entry", tmp_path / "out")


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


def test_a_manifest_that_leads_out_of_its_entry_is_refused(work, tmp_path):
    store = Store(str(tmp_path / "store"))
    store.publish("entry", work)
    path = tmp_path / "store" / "entry" / "manifest.json"
    path.write_text(path.read_text().replace("a.txt", "../a.txt"))
    with pytest.raises(DamagedError, match="leads out of the entry"):
        store.fetch("entry", tmp_path / "out")


def test_an_empty_folder_stays_as_it_was_when_nothing_is_fetched(root, work, tmp_path):
    store, out = Store(root), tmp_path / "out"
    out.mkdir()
    assert not store.fetch("entry", out) and list(out.iterdir()) == []
    store.publish("entry", work)
    assert store.fetch("entry", out) and len(list(out.iterdir())) == 2


def test_the_same_files_published_again_are_the_entry(root, work):
    assert Store(root).publish("entry", work) and Store(root).publish("entry", work)
