"""Content of a registered portfolio: builds of the same content, whoever started them and when, are one version."""

from pathlib import Path, PurePosixPath

from palm.artifacts.routing import Routing
from palm.storage.digest import file_digest, value_digest

CONTENT = "palm.content"
"""Tag of a version and of its runs: digest of the content."""
_RECORDS = {"policy.json", "training_log.json", "train_job.json"}
"""Files of a policy that say how long its training took and whether it was reused; its name stands for its content."""


def content_digest(routing: Routing, artifacts: list[Path]) -> str:
    """One sha256 for a portfolio and what it was made from.

    Args:
        routing: routing table, with the sha256 of every file of the portfolio.
        artifacts: files that are kept with the build: configuration, design, selection, snapshot.

    Returns:
        64 hexadecimal digits, the same for two runs of the same work.
    """
    files = {name: digest for name, digest in routing.sha256.items() if PurePosixPath(name).name not in _RECORDS}
    # Without the version, which portfolios of earlier versions of palm lack: the same content keeps its digest.
    table = routing.model_dump(mode="json", exclude={"schema_version"})
    return value_digest(
        {"portfolio": {**table, "sha256": files}, "made_from": {path.name: file_digest(path) for path in artifacts}}
    )
