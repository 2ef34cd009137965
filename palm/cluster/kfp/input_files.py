"""Files and folders that a configuration names, moved to where pods can read them: S3, named by content."""

import re
from pathlib import Path

from palm.config.locations import with_places
from palm.config.portfolio import PortfolioConfig
from palm.errors import ClusterError, DataError
from palm.models.source import model_digests
from palm.storage.digest import file_digest, value_digest
from palm.storage.s3 import s3_head, s3_upload, told


def publish_inputs(config: PortfolioConfig) -> PortfolioConfig:
    """Upload what a configuration names on this machine.

    Args:
        config: the configuration, its paths absolute.

    Returns:
        The same configuration with addresses ``{storage.root}/inputs/SHA256/NAME`` instead of paths; of one content,
        the address is always the same.

    Raises:
        ClusterError: it names paths, or keeps its results in a place, that pods cannot see.
        DataError: a file or folder is missing.
        StorageError: S3 cannot be written.
    """
    check_places(config)
    root = config.storage.root.rstrip("/")
    return with_places(
        config, file=lambda path: _published(path, root), model=lambda source: _published_folder(source, root)
    )


def check_places(config: PortfolioConfig) -> None:
    """Check that results and records go where pods can write them.

    Args:
        config: the configuration.

    Raises:
        ClusterError: they go to this machine.
    """
    if not config.storage.root.startswith("s3://"):
        named = next(iter(_local_inputs(config)), None)
        raise ClusterError(
            f"storage.root={config.storage.root}",
            rule="is a folder of this machine, which pods cannot see"
            + ("" if named is None else f"; nor can they see {named}, which would be published there"),
            remedy="give an s3:// prefix, or --storage-root s3://BUCKET/PREFIX",
        )
    if config.registry.tracking_uri.startswith("sqlite://"):
        raise ClusterError(
            f"registry.tracking_uri={config.registry.tracking_uri}",
            rule="is a file of this machine, which pods cannot see",
            remedy="give the address of an MLflow server, or --tracking-uri http://…",
        )


def _local_inputs(config: PortfolioConfig) -> list[str]:
    found = []

    def noted(place: str) -> str:
        if Path(place).is_absolute():
            found.append(place)
        return place

    with_places(config, file=noted, model=noted)
    return found


def _published(path: str, root: str) -> str:
    """Address of a file; one that is an address already stays as it is."""
    if not Path(path).is_absolute():
        return path
    if not Path(path).is_file():
        raise DataError(path, rule="is not a file", remedy="give the path of a file")
    address = f"{root}/inputs/{file_digest(Path(path))}/{_plain(Path(path).name)}"
    _upload({address: Path(path)})
    return address


def _published_folder(source: str, root: str) -> str:
    """Address of a model's folder, of which only what a model needs is uploaded; hub ids stay as they are."""
    if not Path(source).is_absolute():
        return source
    folder = Path(source)
    digests = model_digests(folder) if folder.is_dir() else {}
    if not digests:
        raise DataError(source, rule="holds no files of a model", remedy="give the folder of a model")
    address = f"{root}/inputs/{value_digest(digests)}/{_plain(folder.name)}"
    _upload({f"{address}/{name}": folder / name for name in digests})
    return address


def _plain(name: str) -> str:
    """A name without characters that mean something in an address."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)


def _upload(files: dict[str, Path]) -> None:
    """Upload files unless they are there, whole: their addresses hold the digest of the content."""
    for address, path in files.items():
        with told(address):
            found = s3_head(address)
            if found is None or found["ContentLength"] != path.stat().st_size:
                s3_upload({address: path})
