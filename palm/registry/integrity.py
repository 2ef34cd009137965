"""Integrity of registered versions: what is used is bit for bit what was certified."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from palm.artifacts.routing import Routing
from palm.errors import ModelError
from palm.progress import log
from palm.registry.client import Client
from palm.registry.connection import connected
from palm.registry.manifest import MANIFEST_TAG, check_manifest, damaged, remove_bytecode, version_files
from palm.registry.version import existing_version
from palm.serving.verification import verify_portfolio
from palm.storage.digest import value_digest


@dataclass(frozen=True)
class Verified:
    """The files of a version, checked.

    Attributes:
        portfolio: its portfolio folder.
        routing: the routing table in that folder.
        files: sha256 of every file of the version, by relative POSIX path.
    """

    portfolio: Path
    routing: Routing
    files: Mapping[str, str]

    @property
    def manifest(self) -> str:
        """Digest of the version's manifest."""
        return value_digest(self.files)


def download_verified(client: Client, model: str, version: str, destination: Path, *, logged: str) -> Verified:
    """Download a version into an empty folder and check every file; none of its code is run, no bytecode is kept.

    Args:
        logged: digest of its manifest by the promotion log; empty if it was never champion.

    Raises:
        RegistryError: MLflow fails, or there is no such version.
        ModelError: a file is missing, changed or in excess.
    """
    import mlflow

    certified = certified_digest(existing_version(client, model, version), logged)
    # Resolved here: MLflow would resolve a models:/ address by settings of the process.
    address, uri = client.get_model_version_download_uri(model, version), client.registry.tracking_uri
    with connected(client.registry):
        # A version without files is no failure of MLflow, which would report one.
        if not mlflow.artifacts.list_artifacts(artifact_uri=address, tracking_uri=uri):
            raise damaged(f"{model} version {version}", "has no files any more")
        folder = mlflow.artifacts.download_artifacts(
            address, dst_path=str(destination), tracking_uri=uri, registry_uri=uri
        )
    remove_bytecode(Path(folder))
    return verify_version(Path(folder), certified, f"{model} version {version}")


def certified_digest(record, logged: str) -> str:
    """Digest of a version's manifest when it was certified; empty if it was registered without one.

    Args:
        record: MLflow's record of the version.
        logged: the digest by the promotion log; empty if it has none.

    Raises:
        ModelError: the version's tag differs from the log.
    """
    tag = record.tags.get(MANIFEST_TAG, "")
    if tag and logged and tag != logged:
        raise ModelError(
            f"{record.name} version {record.version}",
            rule=f"its tag {MANIFEST_TAG} is {tag}, the promotion log has {logged}",
            remedy="set the tag to what the log has; if the model was deleted and made again, delete its log, too",
        )
    return logged or tag


def verify_version(folder: Path, certified: str, what: str) -> Verified:
    """Check every file of a version in a folder.

    Args:
        certified: digest of its manifest by MLflow; empty: unknown, so that only the version's own files can tell.
        what: names the version in messages.

    Raises:
        ModelError: a file is missing, changed or in excess, or it is no portfolio.
    """
    files = version_files(folder)
    with_manifest = check_manifest(folder, files, what)
    portfolio = folder / _portfolio_folder(files, what)
    routing = verify_portfolio(portfolio, portfolio_files(files, what))
    if certified and value_digest(files) != certified:
        raise damaged(what, f"sha256 of its files' list is {value_digest(files)}, certified is {certified}")
    if not certified:
        _warn(what, with_manifest)
    return Verified(portfolio, routing, files)


def portfolio_files(files: Mapping[str, str], what: str) -> dict[str, str]:
    """Files of a version's portfolio folder to sha256, relative to that folder."""
    start = f"{_portfolio_folder(files, what)}/"
    return {name.removeprefix(start): digest for name, digest in files.items() if name.startswith(start)}


def _portfolio_folder(files: Mapping[str, str], what: str) -> str:
    found = [str(Path(name).parent) for name in files if Path(name).name == Routing.FILE]
    if len(found) != 1:
        raise ModelError(
            what, rule=f"has {len(found)} files {Routing.FILE}", remedy="choose a version that palm has registered"
        )
    return found[0]


def _warn(what: str, with_manifest: bool) -> None:
    if with_manifest:
        log.warning("%s: MLflow does not say what was certified; checked by the manifest beside its files", what)
    else:
        log.warning("%s was registered without a manifest: only its models are checked, until it is promoted", what)
