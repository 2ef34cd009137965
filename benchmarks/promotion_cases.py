"""Promotions by several processes at once against MLflow's bare alias, without history and conflicts."""

import multiprocessing
import os
import random
import tempfile
import time
from pathlib import Path

from results import Section
from support.small_portfolio import judged, make_versions
from support.workspace import edit_config, make_workspace

from palm.config.load import load_config
from palm.promotion import promotions

_LONGEST_WAIT_SECONDS = 0.2
"""Before somebody who was late tries again."""


def measure_promotions(server: str, count: int, processes: int) -> Section:
    """Time successful promotions, and as many bare settings of an alias.

    Args:
        server: address of MLflow.
        count: of promotions; a multiple of the processes.
        processes: at the same time.

    Returns:
        The table.
    """
    with tempfile.TemporaryDirectory() as name:
        config_path = edit_config(make_workspace(Path(name)), registry__tracking_uri=server)
        registry = load_config(config_path).registry
        make_versions(registry, 2 * processes)
        rows = []
        for label, work in (("palm", _promote), ("set_registered_model_alias", _set_alias)):
            begun = time.perf_counter()
            # Forked: imports are paid before.
            with multiprocessing.get_context("fork").Pool(processes) as pool:
                late = pool.starmap(work, [(config_path, index, count // processes) for index in range(processes)], 1)
            seconds = time.perf_counter() - begun
            rows.append([label, f"{count / seconds:.2f}", f"{seconds:.0f}", str(sum(late)) if label == "palm" else "-"])
        found = promotions(registry).log.read()
    if len(found.valid) != count or found.gaps:
        raise SystemExit(f"the log holds {len(found.valid)} promotions, {count} were told")
    rows[0].append(str(len(found.void)))
    rows[1].append("-")
    note = (
        f"{count} successful promotions by {processes} processes on an MLflow server with a password and SQLite, one "
        "worker. After a conflict a worker waits up to 0.2 s and tries again against the new champion. `tried again`: "
        "how often; `lost in the log`: those of them that had written their entry already. All that won are one chain."
    )
    columns = ("way", "a second", "s", "tried again", "lost in the log")
    return Section("Operation: promotions", note, columns, rows)


def _promote(path: Path, index: int, wanted: int) -> int:
    """Promote two versions in turn until enough have won; tells how often it was late."""
    random.seed()
    portfolio, champion, late, won = promotions(load_config(path)), None, 0, 0
    while won < wanted:
        version = str(2 * index + 1 + won % 2)
        result = portfolio.promote(version, judged(against=champion), who=str(os.getpid()))
        if result.promoted:
            won, champion = won + 1, version
        else:
            late, champion = late + 1, result.previous_version
            time.sleep(random.uniform(0, _LONGEST_WAIT_SECONDS))
    return late


def _set_alias(path: Path, index: int, wanted: int) -> int:
    import mlflow

    registry = load_config(path).registry
    client = mlflow.MlflowClient(registry.tracking_uri, registry.tracking_uri)
    for number in range(wanted):
        client.set_registered_model_alias(registry.model, "bare", str(2 * index + 1 + number % 2))
    return 0
