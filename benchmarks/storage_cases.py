"""An entry of the store in S3 against transfers of boto3 one after another."""

import secrets
import statistics
import time
from pathlib import Path

import boto3
from results import Section

from palm.storage.store import Store

_BYTES = 1 << 20


def measure_storage(folder: Path, files: int, pairs: int) -> Section:
    """Time publishing and fetching, alternating with boto3 alone.

    Args:
        folder: an empty folder.
        files: files of 1 MB in an entry.
        pairs: measurements of each.

    Returns:
        The table.
    """
    seconds: dict[str, list[float]] = {"publish": [], "upload_file": [], "fetch": [], "download_file": []}
    store, client = Store("s3://palm/store"), boto3.client("s3")
    for pair in range(pairs):
        source = folder / f"source-{pair}"
        source.mkdir()
        for index in range(files):
            (source / f"{index}.bin").write_bytes(secrets.token_bytes(_BYTES))
        seconds["publish"].append(_timed(lambda s=source, p=pair: store.publish(f"entry-{p}", s)))
        seconds["upload_file"].append(_timed(lambda s=source, p=pair: _upload(client, s, f"bare-{p}")))
        seconds["fetch"].append(_timed(lambda p=pair: store.fetch(f"entry-{p}", folder / f"fetched-{p}")))
        seconds["download_file"].append(_timed(lambda s=source, p=pair: _download(client, s, f"bare-{p}", folder)))
    rows = []
    for ours, bare in (("publish", "upload_file"), ("fetch", "download_file")):
        median, other = statistics.median(seconds[ours]), statistics.median(seconds[bare])
        rows.append([ours, f"{median:.2f}", f"{other:.2f}", f"{median / other:.2f}"])
    note = (
        f"{files} files of 1 MB and moto's server on the same machine, {pairs} pairs, medians. `Store` also makes and "
        f"checks the sha256 of every file and writes the manifest; boto3 has `upload_file` and `download_file` one "
        f"after another."
    )
    return Section("Operation: an entry of the store", note, ("", "Store, s", "boto3, s", "ratio"), rows)


def _timed(call) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _upload(client, source: Path, prefix: str) -> None:
    for path in source.iterdir():
        client.upload_file(str(path), "palm", f"{prefix}/{path.name}")


def _download(client, source: Path, prefix: str, folder: Path) -> None:
    target = folder / prefix
    target.mkdir()
    for path in source.iterdir():
        client.download_file("palm", f"{prefix}/{path.name}", str(target / path.name))
