"""Rewards that are registered MLflow models: code, or a classifier, never a pickle.

Who can register a version is trusted as the author of the configuration is: a model's code runs with the rights of the
task. Everything else about a version is data. So only two forms are loaded: one source file that MLflow executes, and
safetensors weights.
"""

import functools
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palm.config.portfolio import Registry
from palm.config.rewards import Classifier, MlflowModel
from palm.config.yaml_text import parse_yaml
from palm.errors import ConfigError, RegistryError, RewardError
from palm.registry.connection import connected
from palm.rewards.classifier.load import open_classifier
from palm.rewards.loaded import Loaded, RawReward, reward_name
from palm.storage.cache import cached_folder, source_digests

_PICKLES = {".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill", ".bin", ".pt", ".pth", ".ckpt"}
_CODE_LOADERS = ("mlflow.pyfunc.loaders.code_model", "mlflow.pyfunc.model")
"""Loaders of MLflow that execute ``model_code_path`` if it is given; those of other flavours may unpickle."""
_REMEDY = "log the model from code (python_model='file.py'), or with the transformers flavour"
_CLASSIFIER_KEYS = ("label", "output", "batch_size", "max_tokens", "dtype")


def load_mlflow_model(spec: MlflowModel, registry: Registry | None) -> Loaded:
    """Open a registered model, which is loaded when the function is first called.

    Returns:
        Its identity is the resolved version and the content of its files.

    Raises:
        RewardError: there is no such version, it is pickled, or of a flavour that gives no reward.
    """
    name, version, folder = _download(spec, registry)
    flavours = _flavours(spec, folder)
    if "transformers" in flavours:
        loaded = _open_transformers(spec, folder, flavours["transformers"])
    else:
        _refuse_classifier_keys(spec)
        _check_loaded_from_code(spec, folder, flavours.get("python_function"))
        loaded = Loaded(_pyfunc(folder), {"files": source_digests(folder)})
    return Loaded(loaded.function, {**loaded.identity, "model": name, "version": version})


def find_version(spec: MlflowModel, registry: Registry | None):
    """Look up the registered version that a reward's uri resolves to: MLflow's record.

    Raises:
        RewardError: there is none, or MLflow cannot be reached.
    """
    from mlflow.exceptions import MlflowException

    if registry is None:
        raise RewardError(reward_name(spec), rule="needs a registry", remedy="give the section registry")
    name, _, alias = spec.uri.removeprefix("mlflow:models:/").partition("@")
    name, _, number = name.partition("/")
    with _mlflow_errors(spec), connected(registry) as client:
        try:
            return client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, number)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise RewardError(
                reward_name(spec),
                rule="does not exist in the registry",
                remedy=f"check name and {'alias' if alias else 'version'} at {registry.tracking_uri}",
            ) from error


def version_identity(found) -> dict:
    """Tell a registered version, MLflow's record, from every other one of its registry; JSON-able."""
    # The number alone is not enough: it starts again at 1 when a model is deleted and created again.
    return {
        "model": found.name,
        "version": str(found.version),
        "created": found.creation_timestamp,
        "source": found.source,
    }


@contextmanager
def _mlflow_errors(spec: MlflowModel) -> Iterator[None]:
    """Report MLflow's failures with the reward's name."""
    try:
        yield
    except RegistryError as error:
        raise RewardError(
            reward_name(spec), rule=f"cannot be read from MLflow ({error})", remedy="check registry.tracking_uri"
        ) from error


def _download(spec: MlflowModel, registry: Registry | None) -> tuple[str, str, Path]:
    import mlflow

    found = find_version(spec, registry)

    def fill(folder: Path) -> None:
        uri = registry.tracking_uri
        address = f"models:/{found.name}/{found.version}"
        mlflow.artifacts.download_artifacts(address, dst_path=str(folder), tracking_uri=uri, registry_uri=uri)
        _refuse_pickles(spec, folder)

    with _mlflow_errors(spec), connected(registry):
        made = {"registry": registry.tracking_uri, **version_identity(found)}
        folder = cached_folder({"mlflow": made}, fill)
    return found.name, str(found.version), folder


def _flavours(spec: MlflowModel, folder: Path) -> dict[str, dict]:
    try:
        text = (folder / "MLmodel").read_text(encoding="utf-8")
        flavours = parse_yaml(text, origin="MLmodel").get("flavors")
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        raise RewardError(
            reward_name(spec), rule=f"cannot be read ({error})", remedy="register the model again"
        ) from error
    if not isinstance(flavours, dict) or not all(isinstance(flavour, dict) for flavour in flavours.values()):
        raise RewardError(reward_name(spec), rule="names no flavours in MLmodel", remedy="register the model again")
    return flavours


def _check_loaded_from_code(spec: MlflowModel, folder: Path, flavour: dict | None) -> None:
    """Allow what MLflow loads by executing a source file, and nothing that it loads in any other way."""
    flavour = flavour or {}
    source = flavour.get("model_code_path")
    loader = flavour.get("loader_module")
    if loader not in _CODE_LOADERS or not isinstance(source, str) or not source.endswith(".py"):
        raise RewardError(
            reward_name(spec),
            rule=f"is loaded from {flavour.get('python_model') or flavour.get('data') or loader!r}, which may be a "
            "pickle, and a pickle can run any code",
            remedy=_REMEDY,
        )
    # MLflow looks for this name in the model's folder itself.
    if not (folder / Path(source).name).is_file():
        raise RewardError(reward_name(spec), rule=f"has no file {Path(source).name}", remedy="register the model again")


def _refuse_pickles(spec: MlflowModel, folder: Path) -> None:
    """Refuse files that show that a model was meant to be unpickled; what is loaded is decided by the flavour."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (path.suffix.lower() in _PICKLES or _looks_pickled(path)):
            raise RewardError(
                reward_name(spec),
                rule=f"holds {path.relative_to(folder)}, which may be a pickle, and a pickle can run any code",
                remedy=_REMEDY,
            )


def _looks_pickled(path: Path) -> bool:
    """Detect by content a file that starts like a pickle or is a PyTorch archive of one."""
    with path.open("rb") as stream:
        head = stream.read(2)
    if len(head) == 2 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return True
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".pkl") for name in archive.namelist())
    return False


def _open_transformers(spec: MlflowModel, folder: Path, flavour: dict) -> Loaded:
    weights, tokenizer = folder / str(flavour.get("model_binary", "model")), folder / "components" / "tokenizer"
    inside = weights.resolve().is_relative_to(folder.resolve())
    if flavour.get("task") != "text-classification" or not inside or not weights.is_dir() or not tokenizer.is_dir():
        raise RewardError(
            reward_name(spec),
            rule=f"is a transformers model of task {flavour.get('task')!r}",
            remedy="log one with task='text-classification', its weights and its tokenizer",
        )
    return open_classifier(spec, weights=weights, tokenizer=tokenizer)


def _refuse_classifier_keys(spec: MlflowModel) -> None:
    changed = [key for key in _CLASSIFIER_KEYS if getattr(spec, key) != Classifier.model_fields[key].default]
    if changed:
        raise RewardError(
            f"{reward_name(spec)}: {changed[0]}={getattr(spec, changed[0])!r}",
            rule="has no meaning here: the model is not of the transformers flavour",
            remedy="leave it out",
        )


def _pyfunc(folder: Path) -> RawReward:
    def function(prompts: list[str], responses: list[str], **fields: list):
        import pandas as pd

        if "response" in fields:
            raise ValueError("a field of the prompts is called 'response', as is the column of the responses")
        answer = _load_pyfunc(folder).predict(pd.DataFrame({"prompt": prompts, "response": responses, **fields}))
        if isinstance(answer, pd.DataFrame):
            if answer.shape[1] != 1:
                raise ValueError(f"returned the columns {list(answer)} instead of one number per response")
            return answer.iloc[:, 0].tolist()
        return answer

    return function


@functools.lru_cache(maxsize=8)
def _load_pyfunc(folder: Path):
    import mlflow

    return mlflow.pyfunc.load_model(str(folder))
