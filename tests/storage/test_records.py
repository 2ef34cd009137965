"""Records: written over, listed, read back the same from a folder and from S3."""

import pytest

from palm.errors import DamagedError, StorageError
from palm.storage.records import Records


@pytest.fixture
def records(root):
    return Records(root)


def test_what_is_read_is_what_was_written_last(records):
    assert records.read("builds/1/outcome") is None and records.read_all("builds/1") == []
    records.write("builds/1/outcome", {"state": "running"})
    records.write("builds/1/outcome", {"state": "failed", "weights": [0.5, 0.5]})
    assert records.read("builds/1/outcome") == {"state": "failed", "weights": [0.5, 0.5]}


def test_a_file_is_kept_beside_records_and_copied_back(records, tmp_path):
    page, copy = tmp_path / "page.html", tmp_path / "deep" / "copy.html"
    assert not records.read_file("builds/1/report.html", copy) and not copy.exists()
    for text in ("first", "<html>ε ≤ 0.1\n</html>\n"):
        page.write_text(text, encoding="utf-8")
        records.write_file("builds/1/report.html", page)
    assert records.read_file("builds/1/report.html", copy)
    assert copy.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
    records.write("builds/1/outcome", {"state": "promoted"})
    assert records.read_all("builds/1") == [{"state": "promoted"}] and records.folders("builds") == ["1"]


def test_a_folder_lists_its_own_records_only_in_order(records):
    for name in ("b/2", "b/10", "b/deeper/1", "bb/1"):
        records.write(name, {"name": name})
    assert [record["name"] for record in records.read_all("b")] == ["b/10", "b/2"]


def test_folders_are_listed_without_what_is_in_them(records):
    for name in ("builds/2/outcome", "builds/1/tasks/a", "builds/1/uses/b", "builds-of-others/3/outcome", "builds/4"):
        records.write(name, {})
    assert records.folders("builds") == ["1", "2"] and records.folders("none") == []


def test_a_root_that_is_not_there_is_an_error_and_not_an_empty_list(tmp_path):
    with pytest.raises(StorageError, match="there is no folder"):
        Records(str(tmp_path / "unmounted")).folders("builds")


def test_a_damaged_record_is_an_error_that_names_it(tmp_path):
    (tmp_path / "x.json").write_text("[1")
    with pytest.raises(DamagedError, match=rf"{tmp_path}/x.json: is not a JSON object"):
        Records(str(tmp_path)).read("x")
