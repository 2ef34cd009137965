"""Pull of a registered portfolio to the machine that serves it, whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from palm.artifacts.routing import Routing
from palm.errors import DataError, ModelError, RegistryError, StorageError
from palm.promotion.champion import Promotions
from palm.registry.client import Client
from palm.registry.content import CONTENT
from palm.registry.integrity import download_verified
from palm.registry.version import existing_version
from palm.serving.verification import check_recorded_base, fetch_recorded_base, verify_portfolio
from palm.serving.vllm import check_servable, vllm_files
from palm.storage.errors import storage_errors
from palm.storage.files import new_folder, read_json, write_bytes, write_json

FOLDER = "portfolio"
"""Name below the destination, which itself may be the mount of a volume and cannot be replaced then."""
_PULLED = "pulled.json"
"""File that names the version in a folder."""
_LOCK, _LEFTOVERS = ".pull.lock", f".{FOLDER}.*"


def pull(
    promotions: Promotions,
    destination: Path,
    *,
    version: str | None = None,
    dtype: str | None = None,
    report: Callable[[str], None],
) -> Path:
    """Fill `portfolio` in a folder with a version, its base model and the configuration of vLLM; return its path.

    Nothing is written to MLflow. An earlier content stays until the new one is there and verified; a call that is
    killed leaves at most hidden files, which the next one removes.

    Args:
        destination: folder that vLLM will see at the same path; made if missing.
        version: of the registered model; unset: the champion.
        dtype: as in `palm.serving.vllm.vllm_files`.
        report: called with every step, in words.

    Raises:
        RegistryError: MLflow fails, there is no such version, or nothing was promoted yet.
        ModelError: a file differs from what was recorded, or vLLM cannot serve the portfolio.
        StorageError: S3 cannot be read, the destination cannot be written, or another call is filling it.
    """
    place, client, model = destination.resolve() / FOLDER, promotions.client, promotions.model
    version = version or promotions.champion()
    if version is None:
        raise RegistryError(
            f"{model}: champion",
            rule="does not exist, nothing was promoted yet",
            remedy="build a portfolio that passes the gate, `palm promote` one, or give --version",
        )
    with _locked(place.parent):
        content = existing_version(client, model, version).tags.get(CONTENT, "")
        record = {"model": model, "version": version, "content": content}
        if _holds(place, record, dtype):
            report(f"{model} version {version} is there, every sha256 as recorded")
        else:
            with storage_errors(place):
                _fill(client, place, record, dtype, report)
    return place


def _fill(
    client: Client, place: Path, record: dict[str, str], dtype: str | None, report: Callable[[str], None]
) -> None:
    """Replace the folder in one step, so that no reader sees a part."""
    for leftover in place.parent.glob(_LEFTOVERS):
        shutil.rmtree(leftover)
    name = f"{record['model']} version {record['version']}"
    with new_folder(place) as fresh:
        report(f"{name}: downloading")
        routing = _download(client, record, fresh)
        # Before the base model, which may take long.
        check_servable(routing, fresh, dtype)
        base = routing.base_model
        if base.source != Routing.EMBEDDED:
            report(f"base model {base.source}: downloading")
            (fresh / Routing.EMBEDDED).mkdir()
            fetch_recorded_base(base, fresh, fresh / Routing.EMBEDDED)
        for file, content in vllm_files(routing, fresh, place, dtype):
            write_bytes(fresh / file, content)
        write_json(fresh / _PULLED, record)
        if place.exists():
            os.rename(place, place.with_name(f".{FOLDER}.before"))
    shutil.rmtree(place.with_name(f".{FOLDER}.before"), ignore_errors=True)
    report(f"{name}: {len(routing.policies)} policies, every sha256 as recorded")


def _download(client: Client, record: dict[str, str], fresh: Path) -> Routing:
    scratch = fresh / ".download"
    scratch.mkdir()
    folder = download_verified(client, record["model"], record["version"], scratch)
    for entry in folder.iterdir():
        entry.rename(fresh / entry.name)
    shutil.rmtree(scratch)
    return Routing.read(fresh)


def _holds(place: Path, record: dict[str, str], dtype: str | None) -> bool:
    """Whether a version is there and undamaged."""
    try:
        if read_json(place / _PULLED) != record:
            return False
        routing = verify_portfolio(place)
        check_recorded_base(routing.base_model, place / Routing.EMBEDDED)
        return all((place / file).read_bytes() == content for file, content in vllm_files(routing, place, place, dtype))
    except (DataError, ModelError, OSError):
        return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder against other calls; the lock ends with the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / _LOCK).open("w")
    except OSError as error:
        raise StorageError(
            str(folder), rule=f"cannot be written ({error.strerror})", remedy="choose another place"
        ) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                str(folder), rule="is being filled by another `palm pull`", remedy="wait until that one has ended"
            ) from error
        yield
