"""Content of a build: builds of the same content, whoever started them and when, are one registered version."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from palm.artifacts.policy import TrainingLog
from palm.artifacts.routing import Routing
from palm.artifacts.selection import Selection
from palm.storage.digest import file_digest, value_digest

CONTENT = "palm.content"
"""Tag of a version and of its runs: digest of the content."""
POLICIES = "palm.policies"
"""Tag of a version: `policies_digest` of its portfolio."""
_RECORDS = {"policy.json", "training_log.json", "train_job.json", "answers.json"}
"""Files of a policy beside its weights, e.g. how long its training took; its name stands for its content."""


def policies_digest(names: Iterable[str]) -> str:
    """Digest of the policies of a portfolio, by their names, whatever configuration has selected them."""
    return value_digest(sorted(names))


@dataclass(frozen=True)
class Build:
    """A build that is registered.

    Attributes:
        portfolio: portfolio folder (`palm.serving.portfolio`).
        selection: the selected portfolio, with every policy's evaluation.
        logs: policy name to its training log.
        artifacts: files to keep with its run: configuration, design, selection, plan, snapshot.
    """

    build_id: str
    portfolio: Path
    selection: Selection
    logs: Mapping[str, TrainingLog]
    artifacts: Sequence[Path]

    @cached_property
    def content(self) -> str:
        """One sha256 for the portfolio and what it was made from, the same for two builds of the same work."""
        routing = Routing.read(self.portfolio)
        files = {name: digest for name, digest in routing.sha256.items() if PurePosixPath(name).name not in _RECORDS}
        # Without the version, which portfolios of an older palm lack: the same content keeps its digest.
        table = routing.model_dump(mode="json", exclude={"schema_version"})
        made_from = {path.name: file_digest(path) for path in self.artifacts}
        return value_digest({"portfolio": {**table, "sha256": files}, "made_from": made_from})
