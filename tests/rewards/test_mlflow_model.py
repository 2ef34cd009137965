"""Registered models as rewards, against a real MLflow on SQLite."""

import lzma
import os
import pickle
import tempfile
from pathlib import Path

import mlflow
import pytest
import yaml
from support.errors import one_line
from support.reward_cases import spec, train_classifier
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from palm.config.portfolio import Registry
from palm.errors import RewardError
from palm.models.prompts import PromptSet
from palm.registry.connection import connected
from palm.rewards.scoring import raw_scores, score_one
from palm.rewards.source import RewardSource, load_reward

PROMPTS = PromptSet(["say tea", "say oak", "say sky"], {"longest": [4, 8, 16]})
RESPONSES = ["tea tea", "oak", "sky sky sky"]

CODE = '''
import mlflow
from mlflow.pyfunc import PythonModel

class Judge(PythonModel):
    """Length of the response as a share of the prompt's field `longest`."""

    def predict(self, context, model_input, params=None):
        assert list(model_input) == ["prompt", "response", "longest"]
        return RETURNED

mlflow.models.set_model(Judge())
'''
SHARE = "[min(1.0, len(r) / n) for r, n in zip(model_input['response'], model_input['longest'])]"
RETURNS = {
    "judge": SHARE,
    "frame": f"__import__('pandas').DataFrame({{'score': {SHARE}}})",
    "wide": "model_input[['longest', 'longest']]",
}


class Pickled(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[str], params=None):
        return [0.5] * len(model_input)


class Planted:
    """Unpickling it makes a file."""

    def __reduce__(self):
        return (open, (PLANTED, "w"))


PLANTED = str(Path(tempfile.gettempdir()) / f"planted-{os.getpid()}")
PICKLED_0 = pickle.dumps(Planted(), protocol=0)
PYFUNC = {"loader_module": "mlflow.pyfunc.model", "python_version": "3.11.0"}
FORGED = {
    "protocol-0": ({**PYFUNC, "python_model": "weights.dat"}, PICKLED_0),
    "compressed": (
        {**PYFUNC, "python_model": "weights.dat", "python_model_compression": "lzma"},
        lzma.compress(pickle.dumps(Planted())),
    ),
    "code-named": ({**PYFUNC, "model_code_path": "weights.dat"}, PICKLED_0),
    "both": ({"loader_module": "mlflow.sklearn", "data": "weights.dat", "model_code_path": "weights.py"}, PICKLED_0),
    "sklearn": ({"loader_module": "mlflow.sklearn", "data": "weights.dat"}, PICKLED_0),
    "no-loader": ({}, PICKLED_0),
}
"""Versions that are written by hand: their part of MLmodel, and the file ``weights.dat``."""


def forge(client, experiment: str, folder: Path, name: str, python_function: dict, content: bytes) -> None:
    folder.mkdir()
    (folder / "weights.dat").write_bytes(content)
    described = {"flavors": {"python_function": python_function}, "mlflow_version": mlflow.__version__}
    (folder / "MLmodel").write_text(yaml.safe_dump(described))
    run = client.create_run(experiment).info
    client.log_artifacts(run.run_id, str(folder), "model")
    client.create_registered_model(f"forged-{name}")
    client.create_model_version(f"forged-{name}", f"{run.artifact_uri}/model", run.run_id)


@pytest.fixture(scope="module")
def classifier(base_model, tmp_path_factory):
    return train_classifier(base_model, tmp_path_factory.mktemp("classifier"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory, classifier) -> Registry:
    folder = tmp_path_factory.mktemp("mlflow")
    settings = Registry(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment="rewards", model="unused")
    with connected(settings) as client:
        experiment = client.create_experiment("rewards", artifact_location=(folder / "artifacts").as_uri())
        with mlflow.start_run(experiment_id=experiment):
            for name, returned in RETURNS.items():
                path = folder / f"{name}.py"
                path.write_text(CODE.replace("RETURNED", returned))
                log(mlflow.pyfunc, name, python_model=str(path))
            log(mlflow.pyfunc, "pickled", python_model=Pickled())
            model = AutoModelForSequenceClassification.from_pretrained(classifier)
            tokenizer = AutoTokenizer.from_pretrained(classifier)
            parts = {"model": model, "tokenizer": tokenizer}
            log(mlflow.transformers, "classifier", transformers_model=parts, task="text-classification")
            hidden = folder / "hidden.txt"
            hidden.write_bytes(b"\x80\x04N.")
            log(mlflow.pyfunc, "hidden", python_model=str(folder / "judge.py"), artifacts={"notes": str(hidden)})
            for name, (python_function, content) in FORGED.items():
                forge(client, experiment, folder / f"forged-{name}", name, python_function, content)
        client.set_registered_model_alias("judge", "champion", "1")
    return settings


def log(flavour, name: str, **arguments):
    flavour.log_model(name=name, registered_model_name=name, pip_requirements=["mlflow"], **arguments)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "palm" / "downloads"


def load(registry: Registry, name: str, **keys) -> RewardSource:
    return load_reward(spec(f"mlflow:models:/{name}", **keys), registry)


@pytest.mark.parametrize("name", ["judge@champion", "judge/1", "frame/1"])
def test_a_model_from_code_gets_prompt_response_and_fields(registry, name):
    before = mlflow.get_tracking_uri()
    assert score_one(load(registry, name), PROMPTS, RESPONSES).tolist() == [1.0, 3 / 8, 11 / 16]
    assert mlflow.get_tracking_uri() == before


@pytest.mark.parametrize(("name", "keys"), [("judge", {}), ("classifier", {"label": "tea"})])
def test_an_alias_stands_for_a_version_and_moving_it_makes_another_reward(registry, cache, name, keys):
    with connected(registry) as client:
        source = client.get_model_version(name, "1").source
        client.set_registered_model_alias(name, "champion", "1")
        second = client.create_model_version(name, source=source).version
        try:
            first = load(registry, f"{name}@champion", **keys).fingerprint
            assert load(registry, f"{name}/1", **keys).fingerprint == first
            client.set_registered_model_alias(name, "champion", second)
            assert load(registry, f"{name}@champion", **keys).fingerprint != first
            assert len(list(cache.iterdir())) == 2
        finally:
            client.set_registered_model_alias(name, "champion", "1")


def test_a_transformers_model_is_scored_like_the_folder_it_came_from(registry, classifier):
    for keys in ({"label": "tea"}, {"label": 2, "output": "logit"}):
        registered = load(registry, "classifier/1", **keys)
        local = load_reward(spec(f"hf:{classifier}", **keys))
        assert raw_scores([registered], PROMPTS, RESPONSES) == pytest.approx(raw_scores([local], PROMPTS, RESPONSES))
        assert registered.fingerprint != local.fingerprint


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        ("pickled/1", {}, ["holds python_model.pkl", "log the model from code"]),
        ("hidden/1", {}, ["holds artifacts/hidden.txt", "pickle"]),
        ("nothing/1", {}, ["does not exist in the registry", "version"]),
        ("judge@nobody", {}, ["does not exist in the registry", "alias"]),
        ("judge/7", {}, ["does not exist in the registry"]),
        ("classifier/1", {}, ["has 3 labels", "0: neither"]),
        ("judge/1", {"label": 1}, ["label=1", "not of the transformers flavour"]),
        ("wide/1", {}, ["returned the columns"]),
    ],
)
def test_what_cannot_be_used_is_one_line(registry, cache, name, keys, words):
    with one_line(RewardError, *words) as caught:
        score_one(load(registry, name, **keys), PROMPTS, RESPONSES)
    assert str(caught.value).startswith("reward 'mine'")
    if "pickle" in str(caught.value):
        assert not list(cache.iterdir())


def test_a_model_that_was_loaded_is_the_same_reward_in_the_next_process(registry, cache):
    """Python writes bytecode beside the source that MLflow executes."""
    source = load(registry, "judge/1")
    (folder,) = cache.rglob("content")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "judge.cpython-311.pyc").write_bytes(b"")
    assert load(registry, "judge/1").fingerprint == source.fingerprint


@pytest.mark.parametrize("name", FORGED)
def test_only_what_is_code_is_loaded(registry, name):
    """Whatever a file is called and however a pickle is written."""
    with one_line(RewardError, "can run any code", "log the model from code"):
        score_one(load(registry, f"forged-{name}/1"), PROMPTS, RESPONSES)
    assert not Path(PLANTED).exists()


def test_a_registry_that_cannot_be_reached_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    away = Registry(tracking_uri=f"sqlite:///{tmp_path}/file/mlflow.db", experiment="e", model="m")
    with pytest.raises(RewardError, match=r"'mine': uri='mlflow:models:/judge/1': cannot be read from MLflow"):
        load(away, "judge/1")
    with pytest.raises(RewardError, match="needs a registry"):
        load_reward(spec("mlflow:models:/judge/1"))
