"""Build of a registered portfolio: what MLflow keeps of it."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from palm.artifacts.base import Artifact
from palm.artifacts.plan import Plan
from palm.artifacts.selection import Selection
from palm.errors import DataError, RegistryError
from palm.progress import log
from palm.promotion.judged import VERDICT
from palm.registry.client import Client, error_code
from palm.registry.content import POLICIES, policies_digest
from palm.registry.runs import SNAPSHOT_FILE
from palm.registry.version import lookup_version
from palm.storage.files import read_json

Recorded = TypeVar("Recorded", bound=Artifact)


class PastBuild:
    """A registered version and the files of its build's run, each read when it is first used.

    A file is None if it was not recorded, if palm of another version has written it, or if the version or its run was
    deleted.
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

    @property
    def policies(self) -> str:
        """Digest of its portfolio's policies (`policies_digest`); empty if nothing is recorded of them."""
        if self._record is None:
            return ""
        selected = self._record.tags.get(POLICIES)
        return selected or (policies_digest(self.selection.portfolio) if self.selection else "")

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
        try:
            return {entry.path for entry in self._client.list_artifacts(run)} if run else set()
        except RegistryError as error:
            # MLflow gives it for a run that was deleted for good.
            if error_code(error) != "RESOURCE_DOES_NOT_EXIST":
                raise
            return set()

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
