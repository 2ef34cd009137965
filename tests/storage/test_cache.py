import subprocess
import sys

import pytest

from palm.errors import StorageError
from palm.storage.local_file import cached_folder


def test_the_same_definition_is_filled_once(cache):
    calls = []

    def fill(folder):
        calls.append(folder)
        (folder / "file").write_text("text")

    first = cached_folder({"a": 1}, fill)
    assert cached_folder({"a": 1}, fill) == first and len(calls) == 1
    assert cached_folder({"a": 2}, fill) != first and len(calls) == 2
    assert (first / "file").read_text() == "text" and first.parent == cache


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
            "from palm.storage.local_file import cached_folder as cached; "
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
