import shutil
from pathlib import Path

import pytest

from palm.artifacts.routing import RecordedBase
from palm.config.base_model import BaseModelSource
from palm.errors import ModelError
from palm.models.load import load_model
from palm.models.source import fetch_base_model, is_model_file, model_digests, model_identity
from palm.progress import Stage
from palm.serving.verification import fetch_recorded_base
from palm.storage.digest import folder_digests, value_digest


def fetch(source, destination):
    fetch_base_model(BaseModelSource(source=str(source)), destination, Stage("test", ""))


def test_a_folder_is_copied_without_foreign_files(base_model, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(base_model, source)
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    fetch(source, tmp_path / "out")
    assert not (tmp_path / "out" / "pytorch_model.bin").exists()
    load_model(tmp_path / "out")


@pytest.mark.parametrize(
    ("missing", "words"),
    [("tokenizer*", "holds no tokenizer; save one"), ("*.safetensors", r"holds no \*.safetensors")],
)
def test_an_incomplete_folder_is_refused(base_model, tmp_path, missing, words):
    shutil.copytree(base_model, tmp_path / "source")
    for path in (tmp_path / "source").glob(missing):
        path.rename(tmp_path / "source" / "pytorch_model.bin")
    with pytest.raises(ModelError, match=words):
        fetch(tmp_path / "source", tmp_path / "out")


def test_missing_folder_and_broken_weights(base_model, tmp_path):
    with pytest.raises(ModelError, match=r"/no/such/model: is not a folder"):
        fetch("/no/such/model", tmp_path / "out")
    broken = tmp_path / "broken"
    shutil.copytree(base_model, broken)
    (broken / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(broken)


def record(source, files):
    return RecordedBase(source=source, dtype="float32", sha256=value_digest(files), files=files)


FOREIGN = {
    "README.md": "# How to use it",
    "pytorch_model.bin": "pickle",
    "original/consolidated.safetensors": "other weights",
    "config.py": "code",
    "palm_base_model.json": "{}",  # The record of a base model that palm has prepared.
}


@pytest.fixture(params=["folder", "s3"])
def put(request, tmp_path):
    """A function that puts a file beside a model in a source of each kind; its attribute ``source`` is the source."""
    if request.param == "s3":
        s3 = request.getfixturevalue("s3")

        def write(name: str, content: bytes) -> None:
            s3.put_object(Bucket="palm", Key=f"models/base/{name}", Body=content)

        write.source = "s3://palm/models/base"
        return write

    def write(name: str, content: bytes) -> None:
        path = tmp_path / "base" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    write.source = str(tmp_path / "base")
    return write


def test_one_rule_says_what_belongs_to_a_model(put, base_model, tmp_path):
    """Identity, fetched files, digests and what a served version needs agree, whatever lies beside the model."""
    files = {path.name: path.read_bytes() for path in base_model.iterdir()}
    for name, content in files.items():
        put(name, content)
    before = model_identity(put.source, option="base_model.source")
    fetch(put.source, tmp_path / "1")
    recorded = record(put.source, model_digests(tmp_path / "1"))
    for name, content in FOREIGN.items():
        put(name, content.encode())
    assert model_identity(put.source, option="base_model.source") == before
    fetch(put.source, tmp_path / "2")
    assert folder_digests(tmp_path / "2") == folder_digests(tmp_path / "1") == folder_digests(base_model)
    (tmp_path / "3").mkdir()
    fetch_recorded_base(recorded, tmp_path, tmp_path / "3")
    # A new file that belongs to a model changes it, but not the one that was recorded.
    put("special_tokens_map.json", b"{}")
    assert model_identity(put.source, option="base_model.source") != before
    (tmp_path / "4").mkdir()
    fetch_recorded_base(recorded, tmp_path, tmp_path / "4")
    assert folder_digests(tmp_path / "4") == recorded.files
    assert not [name for name in FOREIGN if is_model_file(name)]


def test_a_version_that_recorded_foreign_files_is_served(put, base_model, tmp_path):
    """As versions before this rule did: they recorded all that was below the prefix."""
    for path in base_model.iterdir():
        put(path.name, path.read_bytes())
    put("README.md", b"# How to use it")
    shutil.copytree(base_model, tmp_path / "old")
    Path(tmp_path / "old" / "README.md").write_text("# How to use it")
    files = folder_digests(tmp_path / "old")
    (tmp_path / "out").mkdir()
    fetch_recorded_base(record(put.source, files), tmp_path, tmp_path / "out")
