"""Garbage collection: removal of files in the storage that no build needs any more."""

import re
import time
from collections.abc import Iterator

from palm.builds.garbage.rules import Build, Decision, Rules, place_of
from palm.builds.records import SUCCEEDED, owner
from palm.config.portfolio import PortfolioConfig
from palm.errors import RegistryError
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.storage.backend import Backend, open_backend
from palm.storage.inventory import StoredFile
from palm.storage.records import Records

_BUILDS = "builds"
_REGISTRATION = re.compile(rf"{_BUILDS}/[^/]+/tasks/register_portfolio-[^/]+\.json")
"""Record of the task that registers a build's portfolio."""
_BATCH, _SECONDS = 64, 2.0
"""Removals between two looks at the builds, and the time after which they are looked at anyway: each look lists all
their records."""


def collect_garbage(config: PortfolioConfig, *, days: float, dry_run: bool = False) -> list[Decision]:
    """Remove unneeded entries, checkpoints, records of builds, and leftovers of processes that were killed.

    Builds may run meanwhile: everything is listed and decided about again at most `_SECONDS` before it is removed. Only
    an old entry that a build marks within this time, and finds before the removal, is lost to that build.

    Args:
        days: age from which unneeded files are removed, >= 0.
        dry_run: whether to remove nothing.

    Returns:
        Decisions about everything in the storage, in the order of kinds and names, builds last.

    Raises:
        RegistryError: MLflow cannot be read, or knows no version although a build has registered one; nothing is
            removed.
        StorageError: the storage cannot be read, and nothing is removed; or a removal failed, and the next call
            continues.
    """
    root = config.storage.root.rstrip("/")
    rules = Rules(PortfolioRegistry(config).builds(), owner(config.registry), days)
    backend = open_backend(root)
    files, uploads = backend.files(), backend.unfinished_uploads()
    owners: dict[str, dict | None] = {}
    builds = _builds(root, files, owners)
    if not rules.registered:
        _check_none_registered(root, rules.owner, files, builds)
    decisions = rules.judge(files, builds)
    decisions += [rules.judge_upload(upload) for upload in uploads]
    # Builds last: their records decide about what they have marked.
    decisions.sort(key=lambda decision: (decision.kind == "build", decision.kind, decision.name))
    if dry_run:
        return decisions
    done = _carry_out([decision for decision in decisions if decision.removed], root, rules, owners)
    return [next(done) if decision.removed else decision for decision in decisions]


def _check_none_registered(root: str, own: dict[str, str], files: list[StoredFile], builds: dict[str, Build]) -> None:
    """Check that no build of this model has registered a version: the registry that answers may have lost it."""
    registered = set()
    for name in (file.name for file in files if _REGISTRATION.fullmatch(file.name)):
        build = builds[name.split("/")[1]]
        if build.owner is None or {key: build.owner.get(key) for key in own} != own:
            continue
        if (Records(root).read(name.removesuffix(".json")) or {}).get("state") == SUCCEEDED:
            registered.add(build.name)
    if registered:
        raise RegistryError(
            f"registered model {own['model']}",
            rule=f"has no version at {own['tracking_uri']}, but build {min(registered)} has registered one, so it is "
            "unknown what is needed",
            remedy="restore the registry; if its versions were deleted on purpose, delete the folders of its builds, "
            + ", ".join(f"{root}/{_BUILDS}/{name}" for name in sorted(registered)),
        )


def _builds(root: str, files: list[StoredFile], owners: dict[str, dict | None]) -> dict[str, Build]:
    """Builds whose records are among the files; their owners are read once."""
    builds: dict[str, Build] = {}
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


def _carry_out(
    decisions: list[Decision], root: str, rules: Rules, owners: dict[str, dict | None]
) -> Iterator[Decision]:
    """Remove everything that is not needed by now; yields the decisions that were carried out."""
    backend = open_backend(root)
    done, size = 0, _BATCH
    while done < len(decisions):
        batch = decisions[done : done + size]
        needed = _needed_now(batch, root, backend, rules, owners)
        looked, start = time.monotonic(), done
        for decision in batch:
            if decision.name in needed:
                decision = needed[decision.name]
            elif decision.upload:
                backend.abort(decision.name, decision.upload)
            else:
                backend.remove(decision.name)
            done += 1
            yield decision
            if time.monotonic() > looked + _SECONDS:
                break
        # Not much more is listed than can be removed in time.
        size = min(_BATCH, 2 * (done - start))


def _needed_now(
    batch: list[Decision], root: str, backend: Backend, rules: Rules, owners: dict[str, dict | None]
) -> dict[str, Decision]:
    """Decisions to keep something after all: a build that has started marks what it uses before it looks for it."""
    names = [decision.name for decision in batch if not decision.upload and decision.kind != "temporary"]
    if not names:
        return {}
    files = [file for name in names for file in backend.files(name)]
    # Last, so that the marks are the newest.
    builds = _builds(root, backend.files(_BUILDS), owners)
    return {decision.name: decision for decision in rules.judge(files, builds) if not decision.removed}
