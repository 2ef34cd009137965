"""Portfolios that answer: a folder, or a registered version as it was certified."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from palm.config.portfolio import Registry
from palm.errors import RegistryError, in_words
from palm.progress import log
from palm.promotion.champion import Promotions
from palm.registry.client import Client
from palm.registry.connection import workspace_of_process
from palm.registry.integrity import Verified, verify_version
from palm.registry.manifest import ORIGIN, check_bytecode, damaged
from palm.registry.version import CHAMPION, lookup_version, version_with_alias
from palm.serving.portfolio import ServedPortfolio

_URI = re.compile(r"models:/(?P<model>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>\d+))")


def load(portfolio: str | Path, *, tracking_uri: str | None = None) -> ServedPortfolio:
    """Load a portfolio that answers prompts; every file is checked, and code of a version is not run.

    Args:
        portfolio: a portfolio folder, the folder of a version that was downloaded from MLflow, or a model URI:
            ``models:/NAME@champion`` or ``models:/NAME/VERSION``.
        tracking_uri: MLflow, for a model URI; None: the one that this process has set, or MLFLOW_TRACKING_URI.

    Raises:
        DataError: the folder has no routing.json, or a malformed one.
        ModelError: a file is missing, changed or in excess.
        RegistryError: MLflow fails, or there is no such version.
    """
    text = str(portfolio)
    if text.startswith("models:/"):
        return _load_uri(text, tracking_uri)
    folder = Path(portfolio)
    if not (folder / "MLmodel").exists():
        return ServedPortfolio(folder)
    found = _verify_downloaded(folder)
    # MLflow imports the code where the folder is, and then calls this.
    check_bytecode(folder, text)
    return ServedPortfolio(found.portfolio, routing=found.routing)


def load_version(promotions: Promotions, version: str) -> ServedPortfolio:
    """Load a registered version from a temporary folder of its own."""
    private = TemporaryDirectory(prefix="palm-portfolio-")
    found = promotions.certified.download(version, Path(private.name))
    return ServedPortfolio(found.portfolio, routing=found.routing, private=private)


def version_of_alias(promotions: Promotions, alias: str) -> str:
    """The version that an alias names; the champion is the one of the promotion log.

    Raises:
        RegistryError: there is none.
    """
    model = promotions.model
    found = promotions.champion() if alias == CHAMPION else version_with_alias(promotions.client, model, alias)
    if found is None:
        raise RegistryError(
            f"models:/{model}@{alias}",
            rule="does not exist",
            remedy="build the portfolio with `palm run`, or name another alias",
        )
    return found


def _load_uri(uri: str, tracking_uri: str | None) -> ServedPortfolio:
    import mlflow

    match = _URI.fullmatch(uri)
    if match is None:
        raise RegistryError(uri, rule="names no version", remedy="write models:/NAME@champion or models:/NAME/VERSION")
    promotions = _promotions(tracking_uri or mlflow.get_tracking_uri(), match["model"])
    return load_version(promotions, match["version"] or version_of_alias(promotions, match["alias"]))


def _verify_downloaded(folder: Path) -> Verified:
    """Check a folder against the registry that MLflow in this process is set to, if it came from there."""
    import mlflow

    origin = folder / ORIGIN
    if origin.exists() and mlflow.is_tracking_uri_set():
        model, version = _named(origin)
        promotions = _promotions(mlflow.get_registry_uri(), model)
        if lookup_version(promotions.client, model, version) is not None:
            return promotions.certified.check(version, folder)
        log.warning("%s version %s is not in MLflow at %s", model, version, promotions.client.registry.tracking_uri)
    return verify_version(folder, "", str(folder))


def _named(origin: Path) -> tuple[str, str]:
    """Name and number of the version that MLflow says a folder is."""
    try:
        named = yaml.safe_load(origin.read_text(encoding="utf-8"))
        return str(named["model_name"]), str(named["model_version"])
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError) as error:
        raise damaged(str(origin), f"names no version ({in_words(error)})") from error


def _promotions(uri: str, model: str) -> Promotions:
    # Not checked as in a configuration: it is an address that this process uses already, and is stored nowhere.
    registry = Registry.model_construct(
        tracking_uri=uri, workspace=workspace_of_process(), experiment=model, model=model
    )
    return Promotions(Client(registry), model)
