import os
import stat
import subprocess
import sys

import pytest

from palm.errors import StorageError
from palm.storage.cache import cached_folder


def test_the_same_definition_is_filled_once(cache):
    calls = []

    def fill(folder):
        calls.append(folder)
        (folder / "file").write_text("text")

    first = cached_folder({"a": 1}, fill)
    assert cached_folder({"a": 1}, fill) == first and len(calls) == 1
    assert cached_folder({"a": 2}, fill) != first and len(calls) == 2
    assert (first / "file").read_text() == "text" and first.parent.parent == cache


def test_a_download_that_fails_leaves_nothing(cache):
    def fill(folder):
        (folder / "part").write_text("")
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        cached_folder("a", fill)
    assert not list(cache.iterdir())


def test_another_process_may_be_first(cache):
    def fill(folder):
        (folder / "file").write_text("mine")
        other = (
            "from palm.storage.cache import cached_folder as cached; "
            "cached('a', lambda f: (f / 'file').write_text('its'))"
        )
        subprocess.run([sys.executable, "-c", other], check=True)

    assert (cached_folder("a", fill) / "file").read_text() == "its"
    assert len(list(cache.iterdir())) == 1


def test_a_place_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="set XDG_CACHE_HOME"):
        cached_folder("a", lambda folder: None)


def download(name: str = "file"):
    def fill(folder):
        (folder / "sub").mkdir()
        (folder / "sub" / name).write_text("text")

    return fill


def test_a_cache_is_of_its_user_alone(cache):
    cached_folder("a", download())
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    # What a volume of Kubernetes does to it.
    cache.chmod(0o2770)
    cached_folder("a", download())
    assert stat.S_IMODE(cache.stat().st_mode) & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_cache_of_another_user_is_not_used(cache):
    """Another user may have made it where its place can be known in advance, such as in /tmp."""
    cache.mkdir(parents=True)
    os.chown(cache, 12345, -1)
    with pytest.raises(StorageError, match=f"belongs to user 12345 .*must belong to user {os.geteuid()} alone"):
        cached_folder("a", download())


@pytest.mark.parametrize(
    "change",
    [
        lambda content: (content / "sub" / "file").write_text("code of somebody"),
        lambda content: (content / "sub" / "file").unlink(),
        lambda content: (content / "adapter_config.json").write_text("{}"),
        lambda content: (content.parent / "digests.json").unlink(),
        lambda content: (content.parent / "digests.json").write_text("{"),
    ],
)
def test_what_was_changed_since_its_download_is_downloaded_again(cache, change):
    content = cached_folder("a", download())
    change(content)
    assert cached_folder("a", download()) == content
    assert [path.name for path in content.rglob("*")] == ["sub", "file"]
    assert (content / "sub" / "file").read_text() == "text" and len(list(cache.iterdir())) == 1


def test_a_folder_that_was_made_in_advance_is_not_taken_for_a_download(cache):
    planted = cached_folder("a", download()).parent
    for path in (planted / "content" / "sub" / "file", planted / "digests.json"):
        path.unlink()
    (planted / "content" / "sub" / "file").write_text("planted")
    assert (cached_folder("a", download()) / "sub" / "file").read_text() == "text"


def test_bytecode_is_no_change(cache):
    content = cached_folder("a", download())
    (content / "__pycache__").mkdir()
    (content / "__pycache__" / "x.pyc").write_bytes(b"")
    # It is not even read: Python replaces it meanwhile.
    (content / "__pycache__" / "y.pyc").symlink_to("/proc/self/mem")
    cached_folder("a", lambda folder: pytest.fail("was downloaded again"))
