"""What a registered portfolio is, whoever built it and when: two builds of one content are one version."""

from pathlib import Path, PurePosixPath

from palm.storage.digest import file_digest, value_digest

CONTENT = "palm.content"
"""Tag of a version and of its runs: the digest of what it is."""
_RECORDS = {"policy.json", "training_log.json", "train_job.json"}
"""Files of a policy that tell how long its training took and whether it was reused; its name tells what it is."""


def content_digest(routing: dict, artifacts: list[Path]) -> str:
    """One sha256 for a portfolio and what it was made from.

    Args:
        routing: content of routing.json, with the sha256 of every file of the portfolio.
        artifacts: the files that are kept with the build: configuration, design, selection, snapshot.

    Returns:
        64 hexadecimal digits, the same for two runs of the same work.
    """
    files = {name: digest for name, digest in routing["sha256"].items() if PurePosixPath(name).name not in _RECORDS}
    return value_digest(
        {"portfolio": {**routing, "sha256": files}, "made_from": {path.name: file_digest(path) for path in artifacts}}
    )
