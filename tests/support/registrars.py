"""Builders that register one content at once, in processes of their own: imports are paid once, each is a fork.

Arguments: a configuration, a portfolio folder, and one build id for each builder. Prints one JSON object a builder:
its registration, or its error.
"""

import json
import os
import sys
from pathlib import Path

import mlflow.pyfunc  # noqa: F401 - imported before the fork
from support.small_portfolio import register_small

from palm.config.load import load_config
from palm.errors import PalmError


def attempt(path: str, portfolio: str, build_id: str) -> dict:
    try:
        return register_small(load_config(Path(path)), Path(portfolio), build_id).model_dump(mode="json")
    except PalmError as error:
        return {"error": str(error)}


def main(path: str, portfolio: str, *build_ids: str) -> None:
    go, start = os.pipe()
    answers = []
    for build_id in build_ids:
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(start)
            os.read(go, 1)
            os.write(write, json.dumps(attempt(path, portfolio, build_id)).encode())
            os._exit(0)
        os.close(write)
        answers.append(read)
    os.close(start)
    for answer in answers:
        print(os.read(answer, 4000).decode() or json.dumps({"error": "it died"}))


if __name__ == "__main__":
    main(*sys.argv[1:])
