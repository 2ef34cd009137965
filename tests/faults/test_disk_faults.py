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
from safetensors.torch import save_file
from support.damage import content, flip
from support.errors import one_line

from palm.builds.garbage.collect import collect_garbage
from palm.builds.records import owner
from palm.errors import DamagedError, StorageError
from palm.storage.cache import cached_folder
from palm.storage.files import new_folder, write_text
from palm.storage.manifest import MANIFEST
from palm.storage.records import Records
from palm.storage.store import Store

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


def in_new_folder(save):
    def write(disk, work):
        with new_folder(disk / "out") as folder:
            save(folder)

    return write


LARGE = b"x" * (ROOM // 4)
WRITES = {
    "publish": _publish,
    "fetch": _fetch,
    "text": lambda disk, work: write_text(disk / "deep" / "file", LARGE.decode()),
    "record": lambda disk, work: Records(str(disk)).write("builds/1/x", {"x": LARGE.decode()}),
    "folder": in_new_folder(lambda folder: (folder / "file").write_bytes(LARGE)),
    # The errors of these two on a full disk are no OSError.
    "weights": in_new_folder(lambda folder: save_file({"x": torch.zeros(ROOM // 16)}, folder / "adapter.safetensors")),
    "optimiser": in_new_folder(lambda folder: torch.save({"x": torch.zeros(ROOM // 16)}, folder / "optimizer.pt")),
    "cache": lambda disk, work: cached_folder({"a": 1}, lambda folder: (folder / "file").write_bytes(LARGE)),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_full_disk_is_one_line_and_nothing_is_left(write, disk, work, faults, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(disk))
    ballast = filled(disk)
    with one_line(StorageError, "No space left on device", str(disk)):
        write(disk, work)
    assert [path for path in disk.rglob("*") if not path.is_dir()] == [ballast], "something half-written was left"
    assert not list(disk.rglob(".*")), "a temporary folder was left"
    ballast.unlink()
    write(disk, work)
    faults("full disk")


def test_a_run_on_a_full_disk_ends_with_one_line(workspace, disk, faults):
    """The folder of builds has room for its first files and not for more."""
    (disk / "ballast").write_bytes(b"0" * (ROOM - (80 << 10)))
    command = [Path(sys.executable).with_name("palm"), "run", workspace / "portfolio.yaml"]
    done = subprocess.run([*command, "--output", disk / "builds"], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "No space left on device" in line and str(disk) in line
    assert not list(disk.rglob(".*")), "a temporary folder was left"
    faults("full disk")


def test_every_flipped_bit_of_a_manifest_is_noticed_or_means_nothing(tmp_path, faults):
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
        # Removed at once, in the middle of a fetch, or after the time of a whole one.
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
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from palm.builds.garbage.collect import collect_garbage\n"
        "from palm.config.load import load_config\n"
        "config, left = load_config(Path(sys.argv[1])), int(sys.argv[2])\n"
        "def kill_at_the_moment(event, arguments):\n"
        "    global left\n"
        "    if event in ('os.rename', 'os.remove', 'shutil.rmtree'):\n"
        "        left -= 1\n"
        "        if left == 0:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(kill_at_the_moment)\n"
        "collect_garbage(config, days=7)"
    )
    kills = 0
    for moment in (1, 2, 5, 40, 100, 300, 100_000):
        arguments = [sys.executable, "-c", code, str(root.parent / "portfolio.yaml"), str(moment)]
        kills += subprocess.run(arguments).returncode == -signal.SIGKILL
        for key in kept[:3]:
            assert store.fetch(key, tmp_path / f"out-{moment}" / key)
    assert kills == 6
    collect_garbage(config, days=7)
    assert store.entries("") == kept
    for key in kept:
        assert store.fetch(key, tmp_path / "out" / key) and content(tmp_path / "out" / key) == content(work)
    assert not [path for path in root.iterdir() if path.name.startswith(".")], (
        "hidden folders of killed collections are left"
    )
    faults("SIGKILL of a garbage collection", kills)
