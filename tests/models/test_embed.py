import json
import shutil

import numpy as np
import pytest
import torch
from support.untrained import write_encoder
from transformers import AutoTokenizer, BertModel

from palm.errors import ModelError
from palm.models.embed import embed_texts, fetched_embedding_model

TEXTS = ["tea", "a much longer text about bread and stone", "oak", "", "tea"]


@pytest.fixture(scope="module")
def encoder(base_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    write_encoder(folder, base_model, max_position_embeddings=12)
    return folder


def test_mean_of_the_last_hidden_states(encoder):
    tokenizer, model = AutoTokenizer.from_pretrained(encoder), BertModel.from_pretrained(encoder).eval()
    found = embed_texts(encoder, TEXTS)
    for text, vector in zip(TEXTS, found, strict=True):
        ids = tokenizer(text)["input_ids"][:12]
        if not ids:
            assert not vector.any()
            continue
        with torch.inference_mode():
            mean = model(torch.tensor([ids])).last_hidden_state[0].mean(0).numpy()
        assert vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    assert found.dtype == np.float32
    # Rows of one product of matrices may be rounded differently.
    np.testing.assert_allclose(found[0], found[4], rtol=0, atol=1e-6)


def test_another_model_has_another_digest(encoder, tmp_path):
    shutil.copytree(encoder, tmp_path / "copy")
    with fetched_embedding_model(str(encoder)) as first, fetched_embedding_model(str(tmp_path / "copy")) as second:
        assert first.digest == second.digest
        assert np.array_equal(embed_texts(first.folder, TEXTS), embed_texts(encoder, TEXTS))
    (tmp_path / "copy" / "model.safetensors").write_bytes(b"")
    with fetched_embedding_model(str(tmp_path / "copy")) as damaged:
        assert damaged.digest != first.digest
    with fetched_embedding_model(None) as none:
        assert none is None


def test_unusable_models_are_refused(encoder, tmp_path):
    with (
        pytest.raises(ModelError, match=r"evaluation\.embedding_model=/no/such: is not a folder"),
        fetched_embedding_model("/no/such"),
    ):
        pass
    shutil.copytree(encoder, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded"):
        embed_texts(tmp_path / "pickled", TEXTS)
    shutil.copytree(encoder, tmp_path / "odd")
    settings = json.loads((tmp_path / "odd" / "config.json").read_text())
    (tmp_path / "odd" / "config.json").write_text(json.dumps({**settings, "num_attention_heads": 0}))
    with pytest.raises(ModelError, match="cannot be loaded"):
        embed_texts(tmp_path / "odd", TEXTS)
