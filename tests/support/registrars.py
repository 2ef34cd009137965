"""Builders that register one content at once.

Arguments: a configuration, a portfolio folder, and one build id for each builder. Prints one JSON object a builder:
its registration, or its error.
"""

import json
import sys
from functools import partial
from pathlib import Path

import mlflow.pyfunc  # noqa: F401 - imported before the fork
from support.at_once import at_once
from support.small_portfolio import register_small

from palm.config.load import load_config
from palm.errors import PalmError


def attempt(path: str, portfolio: str, build_id: str) -> dict:
    try:
        return register_small(load_config(Path(path)), Path(portfolio), build_id).model_dump(mode="json")
    except PalmError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    path, portfolio, *build_ids = sys.argv[1:]
    for answer in at_once([partial(attempt, path, portfolio, build_id) for build_id in build_ids]):
        print(json.dumps(answer or {"error": "it died"}))
