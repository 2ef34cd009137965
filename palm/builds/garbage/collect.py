"""Garbage collection: removes from the storage what no build needs any more."""

import shutil
from pathlib import Path

from palm.builds.garbage.rules import Build, Rules, Verdict, place_of
from palm.builds.records import owner
from palm.config.portfolio import PortfolioConfig
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.storage.inventory import StoredFile, stored_files, unfinished_uploads
from palm.storage.records import Records
from palm.storage.s3 import s3_abort, s3_delete, s3_keys, split_s3, told
from palm.storage.store import Store

_BUILDS = "builds"


def collect_garbage(config: PortfolioConfig, *, days: float, dry_run: bool = False) -> list[Verdict]:
    """Remove what nothing needs: entries, checkpoints, records of builds, leftovers of processes that were killed.

    Safe while builds run: before anything is removed, it is listed and judged again.

    Args:
        config: names the storage, MLflow and the registered model.
        days: how long what nothing needs is kept, >= 0.
        dry_run: whether to remove nothing.

    Returns:
        What was found, in the order of kinds and names; ``removed`` says what is gone, or would be.

    Raises:
        RegistryError: MLflow cannot be read; nothing is removed.
        StorageError: the storage cannot be read, and nothing is removed; or a removal failed, and the next call goes
            on.
    """
    root = config.storage.root.rstrip("/")
    rules = Rules(PortfolioRegistry(config).builds(), owner(config.registry), days)
    files, uploads = stored_files(root), unfinished_uploads(root)
    owners = {}
    verdicts = rules.judge(files, _builds(root, files, owners))
    verdicts += [rules.judge_upload(upload) for upload in uploads]
    # What a dead build has marked is judged by its records, so these go last.
    verdicts.sort(key=lambda verdict: (verdict.kind == "build", verdict.kind, verdict.name))
    if dry_run:
        return verdicts
    return [_carry_out(verdict, root, rules, owners) if verdict.removed else verdict for verdict in verdicts]


def _builds(root: str, files: list[StoredFile], owners: dict[str, dict | None]) -> dict[str, Build]:
    """The builds whose records are among the files; who owns them is read once."""
    builds = {}
    for file in files:
        kind, place = place_of(file.name)
        if kind != "build":
            continue
        name = place.partition("/")[2]
        if name not in builds:
            if owners.get(name) is None:
                owners[name] = Records(root).read(f"{place}/build")
            builds[name] = Build(name, owners[name])
        builds[name].active = max(builds[name].active, file.modified)
        inner = file.name.removeprefix(f"{place}/")
        if inner.startswith("uses/") and inner.endswith(".json"):
            builds[name].uses[inner.removeprefix("uses/").removesuffix(".json")] = file.modified
    return builds


def _carry_out(verdict: Verdict, root: str, rules: Rules, owners: dict[str, dict | None]) -> Verdict:
    """Remove something, unless it is needed by now; returns what became of it."""
    if verdict.upload:
        bucket, key = split_s3(f"{root}/{verdict.name}")
        with told(f"{root}/{verdict.name}"):
            s3_abort(bucket, key, verdict.upload)
        return verdict
    if verdict.kind == "temporary":
        _remove_temporary(root, verdict.name)
        return verdict
    # A build that has started meanwhile marks what it uses before it looks for it.
    builds = _builds(root, stored_files(root, _BUILDS), owners)
    again = [found for found in rules.judge(stored_files(root, verdict.name), builds) if found.name == verdict.name]
    if again and not again[0].removed:
        return again[0]
    Store(root).remove(verdict.name)
    return verdict


def _remove_temporary(root: str, name: str) -> None:
    place = f"{root}/{name}"
    with told(place):
        if root.startswith("s3://"):
            bucket, key = split_s3(place)
            s3_delete(bucket, [key, *s3_keys(place)])
        elif Path(place).is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            Path(place).unlink(missing_ok=True)
