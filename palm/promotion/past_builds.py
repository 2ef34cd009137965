"""Builds that led to the present state of a portfolio: the last one that was judged, the newest, the champion's."""

from pathlib import Path

from palm.promotion.champion import Promotions
from palm.promotion.past_build import PastBuild
from palm.registry.version import CHALLENGER, CHAMPION, version_with_alias


def last_build(promotions: Promotions) -> PastBuild | None:
    """The last build that the gate has judged, or else the champion's; None if nothing is registered.

    A build that was refused counts: the same inputs would only be refused again. One that was never judged, because
    its run ended before the gate, does not.
    """
    newest, champion = newest_build(promotions), _build(promotions, CHAMPION)
    return next((build for build in (newest, champion) if build is not None and build.verdict), champion)


def champion_build(promotions: Promotions) -> PastBuild | None:
    """The build of the champion; None if there is no champion. The alias `champion` is fixed if it differs."""
    version = promotions.champion(fix_alias=True)
    return None if version is None else PastBuild(promotions.client, promotions.model, version)


def baseline_builds(promotions: Promotions) -> list[PastBuild]:
    """The builds of earlier champions that the gate compares with beside the champion."""
    return [PastBuild(promotions.client, promotions.model, version) for version in promotions.baseline()]


def newest_build(promotions: Promotions) -> PastBuild | None:
    """The build that was registered last, judged or not; None if there is none."""
    return _build(promotions, CHALLENGER)


def _build(promotions: Promotions, alias: str) -> PastBuild | None:
    version = version_with_alias(promotions.client, promotions.model, alias)
    return None if version is None else PastBuild(promotions.client, promotions.model, version)


def download_policies(promotions: Promotions, version: str, destination: Path) -> dict[str, Path]:
    """Download a registered portfolio, check its digests, and return the folder of each policy by name."""
    found = promotions.certified.download(version, destination)
    return {entry.policy: found.portfolio / entry.folder for entry in found.routing.policies}
