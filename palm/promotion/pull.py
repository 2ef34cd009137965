"""Pull of a registered portfolio to the machine that serves it, whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from palm.artifacts.routing import Routing
from palm.errors import DamagedError, DataError, ModelError, RegistryError, StorageError
from palm.promotion.champion import Promotions
from palm.registry.content import CONTENT
from palm.registry.integrity import portfolio_files
from palm.registry.version import existing_version
from palm.serving.verification import check_recorded_base, fetch_recorded_base, verify_portfolio
from palm.serving.vllm import RENAMED, check_servable, vllm_files
from palm.storage.digest import folder_digests, value_digest
from palm.storage.errors import storage_errors
from palm.storage.files import new_folder, read_json, write_bytes, write_json, write_text
from palm.storage.manifest import MANIFEST, manifest_text, parse_manifest

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
    place, model = destination.resolve() / FOLDER, promotions.model
    version = version or promotions.champion()
    if version is None:
        raise RegistryError(
            f"{model}: champion",
            rule="does not exist, nothing was promoted yet",
            remedy="build a portfolio that passes the gate, `palm promote CONFIG` one, or give --version",
        )
    with _locked(place.parent):
        content = existing_version(promotions.client, model, version).tags.get(CONTENT, "")
        manifest = promotions.certified.manifest(version)
        record = {"model": model, "version": version, "content": content, "manifest": manifest}
        if _holds(place, record, dtype):
            report(f"{model} version {version} is there, every sha256 as recorded")
        else:
            with storage_errors(place):
                _fill(promotions, place, record, dtype, report)
    return place


def _fill(
    promotions: Promotions, place: Path, record: dict[str, str], dtype: str | None, report: Callable[[str], None]
) -> None:
    """Replace the folder in one step, so that no reader sees a part."""
    for leftover in place.parent.glob(_LEFTOVERS):
        shutil.rmtree(leftover)
    name = f"{record['model']} version {record['version']}"
    with new_folder(place) as fresh:
        report(f"{name}: downloading")
        routing = _download(promotions, record, fresh)
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


def _download(promotions: Promotions, record: dict[str, str], fresh: Path) -> Routing:
    scratch = fresh / ".download"
    scratch.mkdir()
    found = promotions.certified.download(record["version"], scratch)
    for entry in found.portfolio.iterdir():
        entry.rename(fresh / entry.name)
    shutil.rmtree(scratch)
    write_text(fresh / MANIFEST, manifest_text(dict(found.files)))
    return found.routing


def _holds(place: Path, record: dict[str, str], dtype: str | None) -> bool:
    """Whether a version is there and undamaged."""
    try:
        if read_json(place / _PULLED) != record:
            return False
        recorded = parse_manifest((place / MANIFEST).read_text(encoding="utf-8"), str(place))
        found = folder_digests(place)
        if record["manifest"] not in ("", value_digest(recorded)):
            return False
        if not portfolio_files(recorded, str(place)).items() <= found.items():
            return False
        routing = verify_portfolio(place, found)
        check_recorded_base(routing.base_model, place / Routing.EMBEDDED)
        written = dict(vllm_files(routing, place, place, dtype))
        if any(name.startswith(f"{RENAMED}/") and name not in written for name in found):
            return False
        return all((place / file).read_bytes() == content for file, content in written.items())
    except (DamagedError, DataError, ModelError, OSError, UnicodeDecodeError):
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
