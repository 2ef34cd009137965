"""A portfolio folder answers with the policy that the weights ask for, over the base model that was recorded."""

import json

import mlflow
import pytest
from support.published import upload_base, write_served
from support.untrained import write_untrained

from palm.artifacts.routing import Routing
from palm.errors import DataError, ModelError, RegistryError
from palm.models.generate import generate
from palm.models.load import load_model
from palm.models.policies import PolicySet
from palm.promotion.load import load


@pytest.fixture
def adapter(base_model, tmp_path):
    write_untrained(tmp_path / "adapter", base_model, seed=0)
    return {"only": tmp_path / "adapter"}


def test_a_base_model_in_s3_is_referenced_and_verified(s3, base_model, adapter, tmp_path):
    upload_base(s3, base_model)
    write_served(tmp_path / "referenced", adapter, base_model)
    write_served(tmp_path / "embedded", adapter, base_model, source=str(base_model))
    assert not (tmp_path / "referenced" / "base_model").exists()
    referenced, embedded = load(tmp_path / "referenced"), load(tmp_path / "embedded")
    assert referenced.answer("say tea", [0.5, 0.5], seed=1) == embedded.answer("say tea", [0.5, 0.5], seed=1)
    s3.put_object(Bucket="palm", Key="models/base/generation_config.json", Body=b"{}")
    with pytest.raises(ModelError, match=r"models/base/generation_config\.json: sha256 is \w{64}, recorded is \w{64}"):
        load(tmp_path / "referenced").answer("say tea", [0.5, 0.5])


def test_files_that_are_added_beside_the_base_model_are_not_fetched(s3, base_model, adapter, tmp_path):
    upload_base(s3, base_model)
    write_served(tmp_path / "portfolio", adapter, base_model)
    expected = load(tmp_path / "portfolio").answer("say tea", [0.5, 0.5], seed=1)
    s3.put_object(Bucket="palm", Key="models/base/README.md", Body=b"# how to use it")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        s3.upload_file(str(adapter["only"] / name), "palm", f"models/base/{name}")
    assert load(tmp_path / "portfolio").answer("say tea", [0.5, 0.5], seed=1) == expected


def test_a_missing_file_is_named(base_model, adapter, tmp_path):
    write_served(tmp_path / "portfolio", adapter, base_model)
    (tmp_path / "portfolio" / "adapters" / "only" / "adapter_config.json").unlink()
    with pytest.raises(ModelError, match=r"adapters/only/adapter_config\.json: sha256 is None"):
        load(tmp_path / "portfolio")


def test_a_portfolio_without_a_schema_version_is_served_and_one_of_a_newer_palm_is_not(base_model, adapter, tmp_path):
    """An older palm wrote no schema version; its portfolios stay in the registry."""
    write_served(tmp_path / "portfolio", adapter, base_model)
    file = tmp_path / "portfolio" / Routing.FILE
    content = json.loads(file.read_text())
    assert content.pop("schema_version") == 1
    file.write_text(json.dumps(content))
    assert load(tmp_path / "portfolio").reward_names == ("length", "vowels")
    file.write_text(json.dumps({"schema_version": 2, **content}))
    with pytest.raises(DataError, match=r"routing\.json: schema_version 2: must be 1"):
        load(tmp_path / "portfolio")


def test_a_server_that_does_not_answer_is_one_line_without_the_password(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri("http://user:secret-of-tests@127.0.0.1:9")
    with pytest.raises(RegistryError, match=r"^registry.tracking_uri=http://127.*MLflow failed.*credentials$") as error:
        load("models:/small@champion")
    mlflow.set_tracking_uri(before)
    assert "secret-of-tests" not in str(error.value)


def test_adapters_and_whole_models_are_served_side_by_side(base_model, tmp_path):
    """Each answers as it does by itself, whichever policy answered before."""
    folders = {name: tmp_path / name for name in ("adapter", "whole")}
    for seed, name in enumerate(folders):
        write_untrained(folders[name], base_model, seed=seed, std=0.5, merged=name == "whole")
    routing = write_served(tmp_path / "portfolio", folders, base_model, source=str(base_model))
    assert [entry.folder for entry in routing.policies] == ["adapters/adapter", "models/whole"]
    served = load(tmp_path / "portfolio")
    questions = [("say tea", [1, 0]), ("say oak", [0, 1]), ("say tea", [0, 1]), ("say oak", [1, 0])]
    answers = [served.answer(prompt, weights, seed=3) for prompt, weights in questions]
    for (prompt, _), answer in zip(questions, answers, strict=True):
        policy = PolicySet(load_model(base_model)).add("alone", folders[answer.policy])
        alone = generate(policy, [prompt], max_new_tokens=8, batch_size=1, seed=3)[0]
        assert answer.response == alone.text
    assert [answer.policy for answer in answers] == ["adapter", "whole", "whole", "adapter"]
    assert answers[0].response != answers[2].response
    assert served.answer("say tea", {"vowels": 0, "length": 1}, seed=3) == answers[0]
