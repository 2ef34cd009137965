"""Garbage collection: removes from the storage what no build needs any more."""

from palm.builds.garbage.rules import Build, Rules, Verdict, place_of
from palm.builds.records import owner
from palm.config.portfolio import PortfolioConfig
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.storage.backend import open_backend
from palm.storage.inventory import StoredFile
from palm.storage.records import Records

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
    backend = open_backend(root)
    files, uploads = backend.files(), backend.unfinished_uploads()
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
    backend = open_backend(root)
    if verdict.upload:
        backend.abort(verdict.name, verdict.upload)
        return verdict
    if verdict.kind == "temporary":
        backend.remove(verdict.name)
        return verdict
    # A build that has started meanwhile marks what it uses before it looks for it.
    builds = _builds(root, backend.files(_BUILDS), owners)
    again = [found for found in rules.judge(backend.files(verdict.name), builds) if found.name == verdict.name]
    if again and not again[0].removed:
        return again[0]
    backend.remove(verdict.name)
    return verdict
