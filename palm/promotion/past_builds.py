"""Builds of registered portfolios: what MLflow keeps of them."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from palm.artifacts.base import Artifact
from palm.artifacts.plan import Plan
from palm.artifacts.selection import Selection
from palm.errors import DataError
from palm.progress import log
from palm.promotion.champion import Promotions
from palm.promotion.judged import VERDICT
from palm.registry.client import Client
from palm.registry.runs import SNAPSHOT_FILE
from palm.registry.version import CHALLENGER, CHAMPION, lookup_version, version_with_alias
from palm.storage.files import read_json

Recorded = TypeVar("Recorded", bound=Artifact)


class PastBuild:
    """A registered version and the files of its build's run, each read when it is first used.

    A file is None if it was not recorded, if palm of another version has written it, or if the version was deleted.
    """

    def __init__(self, client: Client, model: str, version: str):
        self.version = version
        self._client, self._model = client, model

    @property
    def verdict(self) -> str:
        """What the gate has decided: ``promoted`` or ``refused``; empty if it has not judged the version."""
        return "" if self._record is None else self._record.tags.get(VERDICT, "")

    @cached_property
    def finished(self) -> bool:
        """Whether the build has ended with its report."""
        # A champion that was made by hand may have been registered by hand as well, without a run.
        return not self.verdict or self._client.get_run(self._record.run_id).info.status == "FINISHED"

    @cached_property
    def selection(self) -> Selection | None:
        """The portfolio with every policy's evaluation."""
        return self._artifact(Selection)

    @cached_property
    def plan(self) -> Plan | None:
        """The trainings of the build."""
        return self._artifact(Plan)

    @cached_property
    def snapshot(self) -> Mapping[str, Any] | None:
        """Inputs of the build (`palm.builds.rebuild.snapshot`)."""
        return self._file(SNAPSHOT_FILE)

    @cached_property
    def _record(self):
        return lookup_version(self._client, self._model, self.version)

    @cached_property
    def _kept(self) -> set[str]:
        run = self._record and self._record.run_id
        return {entry.path for entry in self._client.list_artifacts(run)} if run else set()

    def _artifact(self, kind: type[Recorded]) -> Recorded | None:
        content = self._file(kind.FILE)
        try:
            return None if content is None else kind.parse(content, kind.FILE)
        except DataError as error:
            log.warning("%s version %s: %s", self._model, self.version, error)
            return None

    def _file(self, name: str) -> dict[str, Any] | None:
        if name not in self._kept:
            return None
        with TemporaryDirectory() as scratch:
            return read_json(Path(self._client.download_artifacts(self._record.run_id, name, scratch)))


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
