import shutil

import pytest

from palm.config.portfolio import BaseModelSource
from palm.errors import ModelError
from palm.models.load import load_model
from palm.models.source import fetch_base_model
from palm.progress import Stage


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
