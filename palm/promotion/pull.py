"""Bringing a registered portfolio to the machine that serves it, whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from palm.config.portfolio import Registry
from palm.errors import DataError, ModelError, RegistryError, StorageError
from palm.promotion.alias import champion_by_log
from palm.registry.connection import connected
from palm.registry.content import CONTENT
from palm.registry.integrity import download_verified, existing_version
from palm.serving.recorded_base import check_recorded_base, fetch_recorded_base
from palm.serving.verification import ROUTING, verify_portfolio
from palm.serving.vllm_config import VLLM_CONFIG, vllm_config
from palm.storage.files import new_folder, read_json, write_json, write_text

FOLDER = "portfolio"
"""Name below the destination, which itself may be the mount of a volume and cannot be replaced then."""
PULLED = "pulled.json"
"""What a folder was filled with."""
_LOCK, _LEFTOVERS = ".pull.lock", f".{FOLDER}.*"
_EMBEDDED = "base_model"


@dataclass(frozen=True)
class Pulled:
    """A portfolio on this machine.

    Attributes:
        version: of the registered model.
        folder: its portfolio folder, with the base model and `vllm.yaml`.
        fetched: whether it had to be; else it was there and is verified.
    """

    version: str
    folder: Path
    fetched: bool


def pull(
    registry: Registry,
    destination: Path,
    *,
    version: str | None = None,
    dtype: str | None = None,
    tell: Callable[[str], None],
) -> Pulled:
    """Fill `portfolio` in a folder with a version, its base model and what vLLM needs to serve it.

    Nothing is written to MLflow. What is there stays until all of the new one is there and verified; a call that is
    killed leaves at most hidden files, which the next one removes.

    Args:
        registry: where MLflow is, and the model's name.
        destination: folder that vLLM will see at the same path; made if missing.
        version: of the registered model; unset: the champion.
        dtype: as in `palm.serving.vllm_config.vllm_config`.
        tell: called with every step, in words.

    Returns:
        What is there now.

    Raises:
        RegistryError: MLflow fails, there is no such version, or nothing was promoted yet.
        ModelError: a file differs from what was recorded, or vLLM cannot serve the portfolio.
        StorageError: S3 cannot be read, the destination cannot be written, or another call is filling it.
    """
    place = destination.resolve() / FOLDER
    version = version or _champion(registry)
    with connected(registry) as client, _alone(place.parent):
        content = existing_version(client, registry.model, version).tags.get(CONTENT, "")
        record = {"model": registry.model, "version": version, "content": content}
        if _holds(place, record, dtype):
            tell(f"{registry.model} version {version} is there, every sha256 as recorded")
            return Pulled(version, place, fetched=False)
        _fill(place, record, dtype, tell)
    return Pulled(version, place, fetched=True)


def _champion(registry: Registry) -> str:
    version = champion_by_log(registry)
    if version is None:
        raise RegistryError(
            f"{registry.model}: champion",
            rule="does not exist, nothing was promoted yet",
            remedy="build a portfolio that passes the gate, `palm promote` one, or give --version",
        )
    return version


def _fill(place: Path, record: dict, dtype: str | None, tell: Callable[[str], None]) -> None:
    """Replace what is there; nobody sees a part."""
    for leftover in place.parent.glob(_LEFTOVERS):
        shutil.rmtree(leftover)
    with new_folder(place) as fresh:
        tell(f"{record['model']} version {record['version']}: downloading")
        routing = _download(record, fresh)
        # Before the base model, which may take long.
        settings = vllm_config(routing, fresh, place, dtype)
        spec = routing["base_model"]
        if spec["source"] != _EMBEDDED:
            tell(f"base model {spec['source']}: downloading")
            (fresh / _EMBEDDED).mkdir()
            fetch_recorded_base(spec, fresh / _EMBEDDED)
        write_text(fresh / VLLM_CONFIG, settings)
        write_json(fresh / PULLED, record)
        if place.exists():
            os.rename(place, place.with_name(f".{FOLDER}.before"))
    shutil.rmtree(place.with_name(f".{FOLDER}.before"), ignore_errors=True)
    tell(
        f"{record['model']} version {record['version']}: {len(routing['policies'])} policies, every sha256 as recorded"
    )


def _download(record: dict, fresh: Path) -> dict:
    scratch = fresh / ".download"
    scratch.mkdir()
    folder = download_verified(record["model"], record["version"], scratch)
    for entry in folder.iterdir():
        entry.rename(fresh / entry.name)
    shutil.rmtree(scratch)
    return read_json(fresh / ROUTING)


def _holds(place: Path, record: dict, dtype: str | None) -> bool:
    """Whether all of a version is there; what is damaged is fetched again."""
    try:
        if read_json(place / PULLED) != record:
            return False
        routing = verify_portfolio(place)
        check_recorded_base(routing["base_model"], place / _EMBEDDED)
        return (place / VLLM_CONFIG).read_text(encoding="utf-8") == vllm_config(routing, place, place, dtype)
    except (DataError, ModelError, OSError):
        return False


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep out other calls for the same folder: the lock goes with the process, however that ends."""
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
