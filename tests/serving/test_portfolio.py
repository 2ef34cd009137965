import numpy as np
import pytest
import torch

from palm.config.portfolio import BaseModelSource
from palm.config.training import Lora
from palm.errors import ModelError
from palm.models.generate import generate
from palm.models.load import load_model
from palm.models.policies import PolicySet
from palm.models.source import fetch_base_model
from palm.progress import Stage
from palm.serving.portfolio import ServedPortfolio, load, write_portfolio
from palm.serving.router import Router
from palm.storage.digest import folder_digests
from palm.training.adapters import new_policy, save_policy


def portfolio(folder, base_model, source: BaseModelSource, files: dict[str, str]):
    """A portfolio of one untrained adapter."""
    save_policy(new_policy(load_model(base_model).model, Lora(rank=2, alpha=2), seed=0), folder / "adapter")
    (folder / "portfolio").mkdir()
    router = Router(("a", "b"), ("only",), np.array([[0.5, 0.5]]))
    write_portfolio(
        folder / "portfolio", router=router, policies={"only": folder / "adapter"}, base_model=base_model,
        base_source=source, base_files=files, max_new_tokens=8,
    )  # fmt: skip
    return ServedPortfolio(folder / "portfolio")


def test_a_base_model_in_s3_is_referenced_and_verified(s3, base_model, tmp_path):
    for path in base_model.iterdir():
        s3.upload_file(str(path), "palm", f"models/base/{path.name}")
    source = BaseModelSource(source="s3://palm/models/base")
    fetch_base_model(source, tmp_path / "fetched", Stage("test", ""))
    served = portfolio(tmp_path, base_model, source, folder_digests(tmp_path / "fetched"))
    assert not (tmp_path / "portfolio" / "base_model").exists()
    embedded = BaseModelSource(source=str(base_model))
    (tmp_path / "second").mkdir()
    copied = portfolio(tmp_path / "second", base_model, embedded, folder_digests(base_model))
    assert served.answer("say tea", [0.5, 0.5], seed=1) == copied.answer("say tea", [0.5, 0.5], seed=1)
    s3.put_object(Bucket="palm", Key="models/base/generation_config.json", Body=b"{}")
    with pytest.raises(ModelError, match=r"models/base/generation_config\.json: sha256 is \w{64}, recorded is \w{64}"):
        ServedPortfolio(tmp_path / "portfolio").answer("say tea", [0.5, 0.5])


def test_a_moved_away_file_is_named(base_model, tmp_path):
    portfolio(tmp_path, base_model, BaseModelSource(source=str(base_model)), folder_digests(base_model))
    (tmp_path / "portfolio" / "adapters" / "only" / "adapter_config.json").unlink()
    with pytest.raises(ModelError, match=r"adapters/only/adapter_config\.json: sha256 is None"):
        ServedPortfolio(tmp_path / "portfolio")


def test_adapters_and_whole_models_are_served_side_by_side(base_model, tmp_path):
    """Each answers as it does by itself, whatever was asked before."""
    for seed, name in enumerate(("adapter", "whole")):
        model = new_policy(load_model(base_model).model, Lora(rank=2, alpha=4), seed=seed)
        for key, weight in model.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(weight, std=0.5)
        if name == "adapter":
            save_policy(model, tmp_path / name)
        else:
            model.merge_and_unload().save_pretrained(tmp_path / name)
    folders = {name: tmp_path / name for name in ("adapter", "whole")}
    (tmp_path / "portfolio").mkdir()
    routing = write_portfolio(
        tmp_path / "portfolio",
        router=Router(("a", "b"), ("adapter", "whole"), np.array([[0.9, 0.1], [0.1, 0.9]])),
        policies=folders,
        base_model=base_model,
        base_source=BaseModelSource(source=str(base_model)),
        base_files=folder_digests(base_model),
        max_new_tokens=8,
    )
    assert [entry.folder for entry in routing.policies] == ["adapters/adapter", "models/whole"]
    served = load(tmp_path / "portfolio")
    assert served.answer("say tea", {"b": 0.2, "a": 0.8}, seed=3) == served.answer("say tea", [0.8, 0.2], seed=3)
    questions = [("say tea", [1, 0]), ("say oak", [0, 1]), ("say tea", [0, 1]), ("say oak", [1, 0])]
    answers = [served.answer(prompt, weights, seed=3) for prompt, weights in questions]
    for (prompt, _), answer in zip(questions, answers, strict=True):
        policy = PolicySet(load_model(base_model)).add("alone", folders[answer.policy])
        alone = generate(policy, [prompt], max_new_tokens=8, batch_size=1, seed=3)[0]
        assert answer.response == alone.text
    assert [answer.policy for answer in answers] == ["adapter", "whole", "whole", "adapter"]
    assert answers[0].response != answers[2].response
