"""The command `palm gc`."""

import json
from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from palm.cli.cluster_options import ConfigPath, StorageRoot, TrackingUri, placed_config
from palm.cli.geometry import Json

commands = typer.Typer()


@commands.command()
def gc(
    config: ConfigPath,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing, only list.")] = False,
    days: Annotated[
        float,
        typer.Option(
            min=0, help="How long to keep what nothing needs: longer than any task of a build; 0 only if no build runs."
        ),
    ] = 7,
    storage_root: StorageRoot = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Remove from the storage what neither a registered nor a recent build needs."""
    from palm.builds.garbage.collect import collect_garbage

    loaded = placed_config(config, storage_root, tracking_uri)
    verdicts = collect_garbage(loaded, days=days, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps([asdict(verdict) for verdict in verdicts]))
        return
    _show(verdicts, Console(), "would be removed" if dry_run else "removed")


def _show(verdicts: list, console: Console, word: str) -> None:
    table = Table("kind", "kept", "bytes kept", word, f"bytes {word}")
    for column in table.columns[1:]:
        column.justify = "right"
    counts, sizes = Counter(), Counter()
    for verdict in verdicts:
        for kind in (verdict.kind, "all"):
            counts[kind, verdict.removed] += 1
            sizes[kind, verdict.removed] += verdict.size
    for kind in (*sorted({verdict.kind for verdict in verdicts}), "all"):
        cells = [
            text for removed in (False, True) for text in (str(counts[kind, removed]), decimal(sizes[kind, removed]))
        ]
        table.add_row(kind, *cells, end_section=kind == "all")
    console.print(table)
    for verdict in verdicts:
        state = word if verdict.removed else "kept"
        line = f"{state}: {verdict.name} ({decimal(verdict.size)}): {verdict.reason}"
        console.print(line, highlight=False, soft_wrap=True, markup=False)
