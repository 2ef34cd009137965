"""Abandoned builds: their run was removed, so the task that tells of the end never ran."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from palm.builds.heartbeat import SILENT_HOURS, is_silent, last_heard
from palm.builds.records import BUILD_VARIABLE, owner, task_records
from palm.config.portfolio import PortfolioConfig
from palm.errors import DamagedError, PalmError
from palm.progress import log
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.steps.record_outcome import describe_outcome, outcome_markdown
from palm.storage.records import Records

_AT_ONCE = 8
"""Builds that are looked at at once."""


@dataclass(frozen=True)
class AbandonedBuild:
    """A build that ended without an outcome.

    Attributes:
        build: its name.
        heard: when it gave its last sign of life, seconds since 1970.
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
    """Find the builds of a portfolio that ended without an outcome.

    Args:
        config: the configuration.

    Returns:
        The builds of which nothing was heard for `palm.builds.heartbeat.SILENT_HOURS`, the longest silent first.

    Raises:
        StorageError: the storage cannot be read.
    """
    names = Records(config.storage.root).folders("builds")
    with ThreadPoolExecutor(_AT_ONCE, "builds") as pool:
        found = pool.map(lambda name: _look(config, name), names)
    return sorted((build for build in found if build is not None), key=lambda build: build.heard)


def close_abandoned(config: PortfolioConfig) -> list[str]:
    """Write the outcome of builds that ended without one: in the storage and in MLflow.

    The build that this process works for is never one of them; outside of a build nothing is closed. One that goes on
    after all writes its own outcome over this one.

    Args:
        config: the configuration.

    Returns:
        Names of the builds.

    Raises:
        StorageError: the storage cannot be read. One that cannot be closed is a warning.
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
            # The build that runs now has nothing to do with it.
            log.warning("build %s was abandoned and cannot be closed: %s", found.build, error)
        else:
            log.info("%s; closed", found.in_words())
            closed.append(found.build)
    return closed


def _look(config: PortfolioConfig, build: str) -> AbandonedBuild | None:
    kept, ours = Records(config.storage.root), {"name": config.name, **owner(config.registry)}
    try:
        outcome = kept.read(f"builds/{build}/outcome")
        if outcome is not None and not outcome.get("abandoned"):
            return None
        if kept.read(f"builds/{build}/build") != ours:
            return None
        heard = last_heard(config.storage.root, build)
        if outcome is not None and heard is not None and heard > outcome["ended"]:
            # It has gone on since.
            return None
        if outcome is not None:
            return AbandonedBuild(build, outcome["ended"], closed=True)
    except DamagedError:
        # The exporter tells of it; the build that runs now has nothing to do with it.
        return None
    return AbandonedBuild(build, heard, closed=False) if is_silent(heard) else None


def _close(config: PortfolioConfig, found: AbandonedBuild) -> None:
    records = task_records(config.storage.root, found.build)
    # A run that only looked for a change has come to its end as far as the records know.
    only_looked = all(record["step"] == "detect_change" for record in records)
    outcome = describe_outcome(config.name, found.build, records, only_if_changed=only_looked)
    if outcome["state"] == "failed":
        outcome["headline"] = (
            f"{config.name}: the build ended without an outcome: nothing was heard of it for {SILENT_HOURS} hours"
        )
        # First, so that it is told again if MLflow fails.
        PortfolioRegistry(config).fail(found.build, outcome_markdown(outcome), abandoned=True)
    kept, name = Records(config.storage.root), f"builds/{found.build}/outcome"
    if kept.read(name) is None:
        kept.write(name, {**outcome, "ended": found.heard, "abandoned": True})
