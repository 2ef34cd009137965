"""What is listed is everything, and nothing is missed silently."""

import os

import pytest

from palm.errors import StorageError
from palm.storage.inventory import stored_files, unfinished_uploads


def test_a_folder_is_listed_with_sizes_times_and_empty_folders(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/file").write_text("12345")
    (tmp_path / ".hidden").mkdir()
    os.utime(tmp_path / "a/file", (1000, 1000))
    found = {file.name: file for file in stored_files(str(tmp_path))}
    assert set(found) == {"a/file", "a/b/", ".hidden/"}
    assert (found["a/file"].size, found["a/file"].modified) == (5, 1000)
    assert [file.name for file in stored_files(str(tmp_path), "a")] == ["a/file", "a/b/"]
    assert stored_files(str(tmp_path), "none") == [] and unfinished_uploads(str(tmp_path)) == []


@pytest.mark.parametrize("root", ["s3://palm", "s3://palm/some/prefix"])
def test_a_prefix_is_listed_by_names_relative_to_it(s3, root):
    below = root.removeprefix("s3://palm").strip("/")
    keys = [f"{below}/{name}".strip("/") for name in ("a/x", "b")]
    for key in keys:
        s3.put_object(Bucket="palm", Key=key, Body=b"123")
    s3.put_object(Bucket="palm", Key="some/prefix-other/x", Body=b"")
    names = [file.name for file in stored_files(root)]
    assert names == ["a/x", "b", *(["some/prefix-other/x"] if not below else [])]
    assert [(file.name, file.size) for file in stored_files(root, "a")] == [("a/x", 3)]


def test_what_cannot_be_listed_is_an_error(s3):
    with pytest.raises(StorageError, match="s3://elsewhere"):
        stored_files("s3://elsewhere/root")
    with pytest.raises(StorageError, match="s3://elsewhere"):
        unfinished_uploads("s3://elsewhere/root")
