"""Storage on a full disk, with damage in it, and with processes that remove or are killed meanwhile."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from support.damage import flip

from palm.builds.garbage.collect import collect_garbage
from palm.builds.records import owner
from palm.errors import DamagedError, StorageError
from palm.storage.files import new_folder, write_text
from palm.storage.local_file import cached_folder
from palm.storage.manifest import MANIFEST
from palm.storage.records import Records
from palm.storage.store import Store
from palm.training.checkpoints import Checkpoints

ROOM = 2 << 20
"""Bytes of the small disk."""

DAY = 86400.0


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, so small that it is soon full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)], check=True)
    yield folder
    # Lazily: a writer that failed may hold its file open as long as its traceback is kept.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_bytes(b"a" * (ROOM // 4))
    (folder / "sub" / "b").write_bytes(b"b" * (ROOM // 4))
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def filled(folder: Path) -> Path:
    """Take all room but a little, so that what is written next breaks off in its middle."""
    ballast = folder / "ballast"
    ballast.write_bytes(b"0" * (ROOM - (ROOM // 8)))
    return ballast


def _publish(disk, work):
    assert Store(str(disk / "store")).publish("entry", work)
    assert content(disk / "store/entry").keys() == {*content(work), MANIFEST}


def _fetch(disk, work):
    elsewhere = Store(str(work.parent / "elsewhere"))
    elsewhere.publish("entry", work)
    assert elsewhere.fetch("entry", disk / "out") and content(disk / "out") == content(work)


def _write_text(disk, work):
    write_text(disk / "deep" / "file", "x" * (ROOM // 4))


def _record(disk, work):
    Records(str(disk)).write("builds/1/x", {"x": "x" * (ROOM // 4)})


def _new_folder(disk, work):
    with new_folder(disk / "out") as folder:
        (folder / "file").write_bytes(b"x" * (ROOM // 4))


def _weights(disk, work):
    # What these say of a full disk is no OSError.
    from safetensors.torch import save_file

    with new_folder(disk / "out") as folder:
        save_file({"x": torch.zeros(ROOM // 16)}, folder / "adapter.safetensors")


def _optimiser(disk, work):
    with new_folder(disk / "out") as folder:
        torch.save({"x": torch.zeros(ROOM // 16)}, folder / "optimizer.pt")


def _cached_folder(disk, work):
    os.environ["XDG_CACHE_HOME"] = str(disk)
    cached_folder({"a": 1}, lambda folder: (folder / "file").write_bytes(b"x" * (ROOM // 4)))


WRITES = [_publish, _fetch, _write_text, _record, _new_folder, _weights, _optimiser, _cached_folder]


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__.strip("_"))
def test_a_full_disk_is_one_line_and_nothing_is_left(write, disk, work, faults, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(disk))
    ballast = filled(disk)
    with pytest.raises(StorageError, match="No space left on device") as error:
        write(disk, work)
    assert str(disk) in str(error.value) and "\n" not in str(error.value)
    assert [path for path in disk.rglob("*") if not path.is_dir()] == [ballast], "something half-written was left"
    assert not list(disk.rglob(".*")), "a temporary folder was left"
    ballast.unlink()
    write(disk, work)
    faults("full disk")


def test_a_run_on_a_full_disk_ends_with_one_line(workspace, disk, faults):
    """The folder of builds has room for its first files and not for more."""
    (disk / "ballast").write_bytes(b"0" * (ROOM - (80 << 10)))
    code = "from palm.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", str(workspace / "portfolio.yaml"), "--output", str(disk / "builds")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "No space left on device" in line and str(disk) in line
    assert not list(disk.rglob(".*")), "a temporary folder was left"
    faults("full disk")


def test_every_flipped_bit_of_a_manifest_is_noticed_or_means_nothing(tmp_path, faults):
    """Also one that leaves JSON, with another name or another digest in it."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "a").write_text("alpha")
    (work / "b").write_text("beta")
    store = Store(str(tmp_path / "store"))
    store.publish("entry", work)
    manifest = tmp_path / "store/entry" / MANIFEST
    text = manifest.read_bytes()
    noticed = 0
    for position in range(len(text)):
        bit = random.Random(position).randrange(8)
        flip(manifest, position, bit)
        out = tmp_path / "out"
        try:
            assert store.fetch("entry", out) and content(out) == content(work), (position, bit)
            assert json.loads(manifest.read_text()) == json.loads(text)
            for path in out.iterdir():
                path.unlink()
            out.rmdir()
        except DamagedError as error:
            noticed += 1
            assert "store/entry" in str(error) and not out.exists()
        manifest.write_bytes(text)
    assert noticed > 0.8 * len(text)
    faults("flipped bit in a manifest", len(text))


def test_a_flipped_name_in_a_manifest_in_s3_is_noticed(s3, tmp_path, faults):
    """There files are named by their content, so a wrong name would be the name of a right file."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work/adapter").write_text("alpha")
    store = Store("s3://palm/root")
    store.publish("entry", tmp_path / "work")
    text = s3.get_object(Bucket="palm", Key="root/entry/manifest.json")["Body"].read()
    s3.put_object(Bucket="palm", Key="root/entry/manifest.json", Body=text.replace(b"adapter", b"adaptez"))
    with pytest.raises(DamagedError, match=r"entry/manifest\.json: .*sha256 of its files' list is [0-9a-f]+, it says"):
        store.fetch("entry", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    faults("flipped bit in a manifest")


@pytest.mark.parametrize("place", ["entry", "checkpoint"])
def test_a_flipped_bit_in_a_file_is_refused_with_both_digests(tmp_path, place, faults):
    store = Store(str(tmp_path / "store"))
    checkpoints = Checkpoints(store, "policy-000000000000").of("rloo")
    for step in (10, 20):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "optimizer.pt").write_bytes(bytes(range(256)) * 40 + bytes([step]))
        if place == "checkpoint":
            checkpoints.publish(folder, step)
    if place == "checkpoint":
        flip(tmp_path / "store/checkpoints/policy-000000000000/rloo/step-00000020/optimizer.pt", 500, 3)
        found = checkpoints.latest(tmp_path / "scratch")
        assert found.name.endswith("step-00000010") and (found / "optimizer.pt").read_bytes()[-1] == 10
    else:
        store.publish("entry", tmp_path / "checkpoint-10")
        flip(tmp_path / "store/entry/optimizer.pt", 500, 3)
        with pytest.raises(
            DamagedError, match=r"entry/optimizer\.pt: sha256 is [0-9a-f]{64}, the manifest says [0-9a-f]"
        ):
            store.fetch("entry", tmp_path / "out")
        assert not (tmp_path / "out").exists()
    faults("flipped bit in a stored file")


def test_what_is_removed_while_it_is_fetched_is_absent_or_whole(root, tmp_path, faults):
    work = tmp_path / "work"
    work.mkdir()
    for number in range(6):
        (work / f"f{number}").write_bytes(os.urandom(1000))
    store, stop, errors, answers = Store(root), threading.Event(), [], []

    def fetch(worker: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            out = tmp_path / f"out-{worker}-{number}"
            try:
                found = store.fetch("entry", out)
                answers.append(found)
                assert out.exists() == found and (not found or content(out) == content(work))
            except BaseException as error:
                errors.append(error)
                return

    readers = [threading.Thread(target=fetch, args=(worker,)) for worker in range(2)]
    for reader in readers:
        reader.start()
    rounds = 12
    for number in range(rounds):
        store.publish("entry", work)
        # Now as soon as possible, in the middle of a fetch, now after somebody has had time for a whole one.
        seen = answers.count(True)
        while number % 3 == 2 and not errors and answers.count(True) == seen:
            time.sleep(0.01)
        time.sleep(0.01 * (number % 4))
        store.remove("entry")
    while not errors and False not in answers:
        time.sleep(0.01)
    stop.set()
    for reader in readers:
        reader.join()
    assert not errors, errors
    faults("entry removed while it is fetched", rounds)


def test_a_killed_collection_leaves_what_is_kept_whole(config, tmp_path, faults):
    """SIGKILL at ever later moments; the next collections finish the work."""
    root, work = Path(config.storage.root), tmp_path / "work"
    work.mkdir()
    for number in range(30):
        (work / f"f{number}").write_text(str(number))
    store, kept = Store(str(root)), [f"policy-{number:012x}" for number in range(0, 60, 2)]
    for number in range(60):
        store.publish(f"policy-{number:012x}", work)
    record = {"name": "small", **owner(config.registry), "model": "another"}
    Records(str(root)).write("builds/other/build", record)
    for key in kept:
        Records(str(root)).write(f"builds/other/uses/{key}", {"at": 0})
    for path in root.rglob("*"):
        os.utime(path, (time.time() - 30 * DAY,) * 2)
    code = (
        "import sys; from pathlib import Path; from palm.config.load import load_config\n"
        "from palm.builds.garbage.collect import collect_garbage\n"
        "config = load_config(Path(sys.argv[1])); print('go', flush=True)\n"
        "collect_garbage(config, days=7)"
    )
    kills, left = 0, 60
    while left > 30:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(root.parent / "portfolio.yaml")], stdout=subprocess.PIPE
        )
        process.stdout.readline()
        # Until the next few entries are gone, whenever that is.
        while process.poll() is None and len(store.entries("")) > max(30, left - 12):
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        left = len(store.entries(""))
        for key in kept[:3]:
            assert store.fetch(key, tmp_path / f"out-{kills}-{left}" / key)
    assert kills >= 2
    collect_garbage(config, days=7)
    assert store.entries("") == kept
    for key in kept:
        assert store.fetch(key, tmp_path / "out" / key) and content(tmp_path / "out" / key) == content(work)
    assert not [path for path in root.iterdir() if path.name.startswith(".")], "what a killed one has hidden is left"
    faults("SIGKILL of a garbage collection", kills)
