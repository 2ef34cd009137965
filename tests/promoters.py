"""Promoters in processes of their own: imports are paid once, each promoter is a fork.

Arguments: a configuration and how many promotions each promoter tries; one promoter for each further argument, which
names its two versions, e.g. ``1,2``. They begin together. Prints one JSON object: for every promoter its process id
and the log entries that it was told to have written.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

import mlflow  # noqa: F401 - imported before the fork

from palm.config_file import load_config
from palm.registry.promotion import promote

_LONGEST_WAIT_SECONDS = 0.2


def try_often(path: str, versions: list[str], attempts: int) -> dict:
    """Promote two versions in turn, each time against the champion that was seen last."""
    config, won, champion = load_config(Path(path)), [], None
    for _ in range(attempts):
        version = versions[len(won) % 2]
        judgement = {"passed": True, "reason": f"{version} is better", "against": champion, "checks": []}
        result = promote(config, version=version, judgement=judgement, who=str(os.getpid()))
        if result["promoted"]:
            won.append(result["log_entry"])
            champion = result["version"]
        else:
            champion = result["previous_version"]
            time.sleep(random.uniform(0, _LONGEST_WAIT_SECONDS))
    return {"who": str(os.getpid()), "won": won}


def main(path: str, attempts: str, *pairs: str) -> None:
    go, start = os.pipe()
    answers = []
    for pair in pairs:
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(start)
            os.read(go, 1)
            random.seed()
            with os.fdopen(write, "w") as answer:
                json.dump(try_often(path, pair.split(","), int(attempts)), answer)
            os._exit(0)
        os.close(write)
        answers.append(read)
    os.close(start)
    begun = time.monotonic()
    results = []
    for answer in answers:
        with os.fdopen(answer) as stream:
            results.append(json.loads(stream.read() or "null"))
    print(json.dumps({"promoters": results, "seconds": time.monotonic() - begun}))


if __name__ == "__main__":
    main(*sys.argv[1:])
