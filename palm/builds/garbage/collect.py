"""Garbage collection: removal of files in the storage that no build needs any more."""

from palm.builds.garbage.rules import Build, Decision, Rules, place_of
from palm.builds.records import owner
from palm.config.portfolio import PortfolioConfig
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.storage.backend import open_backend
from palm.storage.inventory import StoredFile
from palm.storage.records import Records

_BUILDS = "builds"


def collect_garbage(config: PortfolioConfig, *, days: float, dry_run: bool = False) -> list[Decision]:
    """Remove unneeded entries, checkpoints, records of builds, and leftovers of processes that were killed.

    Safe while builds run: everything is listed and decided about again before it is removed.

    Args:
        days: age from which unneeded files are removed, >= 0.
        dry_run: whether to remove nothing.

    Returns:
        Decisions about everything in the storage, in the order of kinds and names, builds last.

    Raises:
        RegistryError: MLflow cannot be read; nothing is removed.
        StorageError: the storage cannot be read, and nothing is removed; or a removal failed, and the next call
            continues.
    """
    root = config.storage.root.rstrip("/")
    rules = Rules(PortfolioRegistry(config).builds(), owner(config.registry), days)
    backend = open_backend(root)
    files, uploads = backend.files(), backend.unfinished_uploads()
    owners = {}
    decisions = rules.judge(files, _builds(root, files, owners))
    decisions += [rules.judge_upload(upload) for upload in uploads]
    # Builds last: their records decide about what they have marked.
    decisions.sort(key=lambda decision: (decision.kind == "build", decision.kind, decision.name))
    if dry_run:
        return decisions
    return [_carry_out(decision, root, rules, owners) if decision.removed else decision for decision in decisions]


def _builds(root: str, files: list[StoredFile], owners: dict[str, dict | None]) -> dict[str, Build]:
    """Builds whose records are among the files; their owners are read once."""
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


def _carry_out(decision: Decision, root: str, rules: Rules, owners: dict[str, dict | None]) -> Decision:
    """Remove something, unless it is needed by now; returns the decision that was carried out."""
    backend = open_backend(root)
    if decision.upload:
        backend.abort(decision.name, decision.upload)
        return decision
    if decision.kind != "temporary":
        # A build that has started in the meantime marks what it uses before it looks for it.
        builds = _builds(root, backend.files(_BUILDS), owners)
        now = rules.judge(backend.files(decision.name), builds)
        needed = next((found for found in now if found.name == decision.name and not found.removed), None)
        if needed is not None:
            return needed
    backend.remove(decision.name)
    return decision
