"""Promoters in processes of their own: imports are paid once, each promoter is a fork.

Arguments: a configuration and how many promotions each of the promoters must win; one promoter for each further
argument, which names its two versions, e.g. ``1,2``. They begin together. Prints one JSON object: promotions won,
and lost to another.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

import mlflow  # noqa: F401 - imported before the fork

from palm.config_file import load_config
from palm.registry import promotion

_LONGEST_WAIT_SECONDS = 0.4


def promote(config, versions: list[str], wins: int) -> list[int]:
    """Promote two versions in turn, each time against the champion that was seen last."""
    won = lost = 0
    champion = None
    while won < wins:
        judgement = {"passed": True, "reason": f"turn {won} of {versions}", "against": champion, "checks": []}
        result = promotion.promote(config, version=versions[won % 2], judgement=judgement, who=f"process {os.getpid()}")
        if result["promoted"]:
            won, champion = won + 1, result["version"]
        else:
            lost, champion = lost + 1, result["previous_version"]
            time.sleep(random.uniform(0, _LONGEST_WAIT_SECONDS))
    return [won, lost]


def main(path: str, wins: str, *versions: str) -> None:
    config = load_config(Path(path))
    go, start = os.pipe()
    answers = []
    for pair in versions:
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(start)
            os.read(go, 1)
            random.seed()
            os.write(write, json.dumps(promote(config, pair.split(","), int(wins))).encode())
            os._exit(0)
        os.close(write)
        answers.append(read)
    os.close(start)
    begun = time.monotonic()
    results = [json.loads(os.read(answer, 1000) or "null") for answer in answers]
    seconds = time.monotonic() - begun
    print(json.dumps({"results": results, "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
