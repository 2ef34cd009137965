"""Abandoned builds: their run was removed, so the task that records the outcome never ran."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from palm.builds.heartbeat import SILENT_HOURS, is_silent, last_heard
from palm.builds.outcome import make_outcome, outcome_markdown, read_outcome, write_outcome
from palm.builds.records import BUILD_VARIABLE, owner, task_records
from palm.config.portfolio import PortfolioConfig
from palm.errors import DamagedError, PalmError
from palm.progress import log
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.storage.records import Records

_THREADS = 8


@dataclass(frozen=True)
class AbandonedBuild:
    """A build that ended without an outcome.

    Attributes:
        heard: time of its last sign of life, seconds since 1970.
        closed: whether a later build has written an outcome for it.
    """

    build: str
    heard: float
    closed: bool

    def in_words(self) -> str:
        """One line for people."""
        heard = datetime.fromtimestamp(self.heard, UTC)
        after = "" if self.closed else "; the next run closes it"
        return f"build {self.build} ended without an outcome, last heard from at {heard:%Y-%m-%d %H:%M} UTC{after}"


def abandoned_builds(config: PortfolioConfig) -> list[AbandonedBuild]:
    """Builds of a portfolio without a sign of life for `SILENT_HOURS`, the longest silent first."""
    names = Records(config.storage.root).folders("builds")
    with ThreadPoolExecutor(_THREADS, "builds") as pool:
        found = pool.map(lambda name: _abandoned(config, name), names)
    return sorted((build for build in found if build is not None), key=lambda build: build.heard)


def close_abandoned(config: PortfolioConfig) -> list[str]:
    """Write the outcome of abandoned builds, in the storage and in MLflow; returns the names of the closed builds.

    The current build is never closed; outside a build nothing is. A build that resumes overwrites this outcome with
    its own. A build that cannot be closed is a warning.
    """
    this = os.environ.get(BUILD_VARIABLE)
    if not this:
        return []
    closed = []
    for found in abandoned_builds(config):
        if found.closed or found.build == this:
            continue
        try:
            _close(config, found)
        except PalmError as error:
            # It does not concern the current build.
            log.warning("build %s was abandoned and cannot be closed: %s", found.build, error)
        else:
            log.info("%s; closed", found.in_words())
            closed.append(found.build)
    return closed


def _abandoned(config: PortfolioConfig, build: str) -> AbandonedBuild | None:
    root = config.storage.root
    try:
        outcome = read_outcome(root, build)
        if outcome is not None and not outcome.abandoned:
            return None
        if Records(root).read(f"builds/{build}/build") != {"name": config.name, **owner(config.registry)}:
            return None
        heard = last_heard(root, build)
    except DamagedError:
        # The exporter reports it; it does not concern the current build.
        return None
    if outcome is None:
        return AbandonedBuild(build, heard, closed=False) if is_silent(heard) else None
    continued = heard is not None and heard > outcome.ended
    return None if continued else AbandonedBuild(build, outcome.ended, closed=True)


def _close(config: PortfolioConfig, found: AbandonedBuild) -> None:
    root = config.storage.root
    records = task_records(root, found.build)
    # To the records, a run that only looked for changes has finished.
    only_looked = all(record.step == "detect_change" for record in records)
    outcome = make_outcome(config.name, found.build, records, ended=found.heard, only_if_changed=only_looked)
    update = {"abandoned": True}
    if outcome.state == "failed":
        update["headline"] = (
            f"{config.name}: the build ended without an outcome: no sign of life for {SILENT_HOURS} hours"
        )
    outcome = outcome.model_copy(update=update)
    if outcome.state == "failed":
        # Before the storage, so that the next build repeats it if MLflow fails.
        PortfolioRegistry(config).fail(found.build, outcome_markdown(outcome), abandoned=True)
    if read_outcome(root, found.build) is None:
        write_outcome(root, outcome)
