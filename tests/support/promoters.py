"""Promoters that begin at once.

Arguments: a configuration, the number of promotions that each promoter has to win, and for each promoter its two
versions, e.g. ``1,2``. Prints a JSON list: each promoter's process id, its entries of the log, and its lost promotions.
"""

import json
import os
import random
import sys
import time
from functools import partial
from pathlib import Path

import mlflow  # noqa: F401 - imported before the fork
from support.at_once import at_once
from support.small_portfolio import judged

from palm.config.load import load_config
from palm.promotion import promotions

_SHORTEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 8.0


def promote_often(path: str, versions: list[str], wanted: int) -> dict:
    """Promote two versions in turn, each against the champion seen last; the wait after losses in a row grows."""
    random.seed()
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


if __name__ == "__main__":
    path, wanted, *pairs = sys.argv[1:]
    print(json.dumps(at_once([partial(promote_often, path, pair.split(","), int(wanted)) for pair in pairs])))
