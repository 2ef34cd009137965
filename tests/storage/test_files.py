import pytest

from palm.errors import DataError
from palm.storage.files import new_folder, read_json, write_json, write_text


def test_new_folder_appears_whole(tmp_path):
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "a").read_text() == "1"


def test_new_folder_leaves_nothing_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_new_folder_does_not_replace_a_full_one(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kept").write_text("1")
    with pytest.raises(OSError), new_folder(tmp_path / "out"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "kept").exists()


def test_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(ValueError):
        write_json(path, {"x": float("nan")})
    assert read_json(path) == {"x": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_broken_json_is_an_error(tmp_path):
    write_text(tmp_path / "a.json", "{")
    with pytest.raises(DataError, match=r"a\.json.*cannot be read as JSON"):
        read_json(tmp_path / "a.json")
