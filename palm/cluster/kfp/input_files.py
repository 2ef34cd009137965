"""Files and folders that a configuration names, uploaded to S3 for pods and named by content."""

import re
from pathlib import Path

from palm.config.locations import with_places
from palm.config.portfolio import PortfolioConfig
from palm.errors import ClusterError, DataError
from palm.models.source import model_digests
from palm.storage.digest import file_digest, value_digest
from palm.storage.location import Location
from palm.storage.s3_backend import S3Backend


def publish_inputs(config: PortfolioConfig) -> PortfolioConfig:
    """Upload what a configuration names on this machine.

    Returns:
        The same configuration with addresses ``{storage.root}/inputs/SHA256/NAME`` instead of paths; of one content,
        the address is always the same.
    """
    check_places(config)
    root = config.storage.root.rstrip("/")
    return with_places(
        config, file=lambda path: _published(path, root), model=lambda source: _published_folder(source, root)
    )


def check_places(config: PortfolioConfig) -> None:
    """Check that pods can write results and records where the configuration says."""
    check_storage_root(config.storage.root, next(iter(_local_inputs(config)), None))
    check_tracking_uri(config.registry.tracking_uri)


def check_storage_root(root: str, input_path: str | None = None) -> None:
    """Check that pods can reach a storage root; the message also names an input that would be uploaded there."""
    if not Location(root).is_s3:
        also = "" if input_path is None else f"; nor can they see {input_path}, which would be published there"
        raise ClusterError(
            f"storage.root={root}",
            rule=f"is a folder of this machine, which pods cannot see{also}",
            remedy="give an s3:// prefix, or --storage-root s3://BUCKET/PREFIX",
        )


def check_tracking_uri(uri: str) -> None:
    """Check that pods can reach an MLflow server."""
    if uri.startswith("sqlite://"):
        raise ClusterError(
            f"registry.tracking_uri={uri}",
            rule="is a file of this machine, which pods cannot see",
            remedy="give the address of an MLflow server, or --tracking-uri http://…",
        )


def _local_inputs(config: PortfolioConfig) -> list[str]:
    found = []

    def collect(place: str) -> str:
        if Location(place).is_absolute_path:
            found.append(place)
        return place

    with_places(config, file=collect, model=collect)
    return found


def _published(path: str, root: str) -> str:
    if not Location(path).is_absolute_path:
        return path
    if not Path(path).is_file():
        raise DataError(path, rule="is not a file", remedy="give the path of a file")
    return _upload(root, file_digest(Path(path)), Path(path).name, {"": Path(path)})


def _published_folder(source: str, root: str) -> str:
    """Address of a model's folder, of which only the files of a model are uploaded; hub ids stay as they are."""
    if not Location(source).is_absolute_path:
        return source
    folder = Path(source)
    digests = model_digests(folder) if folder.is_dir() else {}
    if not digests:
        raise DataError(source, rule="holds no files of a model", remedy="give the folder of a model")
    return _upload(root, value_digest(digests), folder.name, {f"/{name}": folder / name for name in digests})


def _upload(root: str, digest: str, name: str, files: dict[str, Path]) -> str:
    """Upload files, by suffix of the address, unless they exist in full; returns the address."""
    backend = S3Backend(root)
    place = f"inputs/{digest}/{re.sub(r'[^A-Za-z0-9._-]', '-', name)}"
    for suffix, path in files.items():
        found = backend.stat(f"{place}{suffix}")
        if found is None or found.size != path.stat().st_size:
            backend.upload({f"{place}{suffix}": path})
    return f"{root}/{place}"
