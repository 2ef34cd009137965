"""Whether a portfolio folder is the one that was registered; no model is loaded."""

from pathlib import Path

from palm.errors import ModelError
from palm.storage.digest import folder_digests
from palm.storage.files import read_json

ROUTING = "routing.json"


def verify_portfolio(folder: Path) -> dict:
    """Check the sha256 of every file of a portfolio folder.

    Args:
        folder: a portfolio folder (`palm.serving.portfolio`).

    Returns:
        The content of routing.json.

    Raises:
        DataError: routing.json is missing or damaged.
        ModelError: a file is missing or its sha256 is not the recorded one.
    """
    routing = read_json(folder / ROUTING)
    found = folder_digests(folder)
    for name, digest in routing["sha256"].items():
        if found.get(name) != digest:
            raise ModelError(
                f"portfolio file {name}",
                rule=f"sha256 is {found.get(name)}, recorded is {digest}",
                remedy="the registered version is damaged: register the portfolio again",
            )
    return routing
