"""Promoters in processes of their own: imports are paid once, each promoter is a fork.

Arguments: a configuration and how many promotions each promoter is to win; one promoter for each further argument,
which names its two versions, e.g. ``1,2``. They begin together. Prints one JSON object: for every promoter its process
id, the log entries that it was told to have written, and how often it was told that somebody else was first.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

import mlflow  # noqa: F401 - imported before the fork
from support.small_portfolio import judged

from palm.config.load import load_config
from palm.promotion import promotions

_SHORTEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 8.0


def promote_often(path: str, versions: list[str], wanted: int) -> dict:
    """Promote two versions in turn, each time against the champion that was seen last, until that often with success.

    Who loses waits, longer the more often in a row: else nearly all work of all is lost.
    """
    portfolio, won, champion, lost, in_a_row = promotions(load_config(Path(path))), [], None, 0, 0
    while len(won) < wanted:
        version = versions[len(won) % 2]
        result = portfolio.promote(version, judged(against=champion), who=str(os.getpid()))
        if result.promoted:
            won.append(result.log_entry)
            champion, in_a_row = result.version, 0
        else:
            champion = result.previous_version
            lost, in_a_row = lost + 1, in_a_row + 1
            time.sleep(random.uniform(0, min(_LONGEST_WAIT_SECONDS, _SHORTEST_WAIT_SECONDS * 2**in_a_row)))
    return {"who": str(os.getpid()), "won": won, "lost": lost}


def main(path: str, wanted: str, *pairs: str) -> None:
    go, start = os.pipe()
    answers = []
    for pair in pairs:
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(start)
            os.read(go, 1)
            random.seed()
            with os.fdopen(write, "w") as answer:
                json.dump(promote_often(path, pair.split(","), int(wanted)), answer)
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
