"""Commands of `palm` that show or change the champion."""

import getpass
import json
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from palm.cli.cluster_options import ConfigPath
from palm.cli.geometry import Json

if TYPE_CHECKING:
    from palm.config.portfolio import PortfolioConfig
    from palm.promotion.champion import Promotions
    from palm.promotion.entry import Entry
    from palm.promotion.history import History, LoggedEntry

commands = typer.Typer()
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the log.")]
_WIDTH_OFF_A_TERMINAL = 160


def this_person() -> str:
    """Author for the log: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container whose user id has no name.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


@commands.command()
def promote(
    config: ConfigPath,
    version: Annotated[
        str | None, typer.Option(metavar="N", help="Version; unset: the one with the alias challenger.")
    ] = None,
    reason: Reason = "",
    override: Annotated[
        bool, typer.Option("--override", help="Also if the gate has refused or never judged it.")
    ] = False,
    reset_baseline: Annotated[
        bool,
        typer.Option(
            "--reset-baseline",
            help="Compare later portfolios with no champion before this version; it may be champion already.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a registered version champion by hand, after its files were verified."""
    portfolio = _promotions(config)
    entry = portfolio.promote_by_hand(
        version, why=reason, who=this_person(), override=override, reset_baseline=reset_baseline
    )
    _show(portfolio.model, entry, as_json)


@commands.command()
def rollback(
    config: ConfigPath,
    to: Annotated[
        str | None, typer.Option(metavar="N", help="A version that was champion; unset: the one before.")
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Make an earlier champion champion again, after its files were verified; repeat it to go further back."""
    portfolio = _promotions(config)
    _show(portfolio.model, portfolio.rollback(to, why=reason, who=this_person()), as_json)


@commands.command()
def history(
    config: ConfigPath,
    everything: Annotated[bool, typer.Option("--all", help="Also attempts that lost to another.")] = False,
    as_json: Json = False,
) -> None:
    """Show past champions with reasons, versions the gate refused, builds without an outcome; check the log."""
    from palm.config.load import load_config
    from palm.promotion import promotions

    loaded = load_config(config)
    found = promotions(loaded).history()
    if not everything:
        found = found.model_copy(update={"entries": tuple(entry for entry in found.entries if entry.valid)})
    abandoned, unread = _abandoned(loaded)
    if as_json:
        builds = None if unread else [vars(build) for build in abandoned]
        shown = {**found.model_dump(mode="json", by_alias=True), "abandoned": builds}
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=_WIDTH_OFF_A_TERMINAL)
    if found.entries or found.refused:
        console.print(_table(found))
    else:
        typer.echo(f"{found.model}: nothing was promoted yet")
    for line in found.problems:
        typer.echo(f"problem: {line}")
    for build in abandoned:
        typer.echo(build.in_words())
    if unread:
        typer.echo(f"builds that ended without an outcome are not known: {unread}", err=True)


@commands.command()
def repair(config: ConfigPath) -> None:
    """Set the alias champion to what the log says, and record entries of the log that were deleted or edited.

    If the newest entries are gone, nobody knows the champion: then the version with the alias stays champion, after its
    files were verified. Make sure before that the alias is on the version that should be served.
    """
    for line in _promotions(config).repair(who=this_person()) or ["nothing to repair"]:
        typer.echo(line)


def _promotions(config: Path) -> "Promotions":
    from palm.config.load import load_config
    from palm.promotion import promotions

    return promotions(load_config(config))


def _abandoned(config: "PortfolioConfig") -> tuple[list, str]:
    """Builds that ended without an outcome, or why they are unknown: the log can be read without the storage."""
    from palm.builds.abandoned import abandoned_builds
    from palm.errors import StorageError

    try:
        return abandoned_builds(config), ""
    except (StorageError, ModuleNotFoundError) as error:
        return [], str(error)


def _show(model: str, entry: "Entry", as_json: bool) -> None:
    if as_json:
        typer.echo(entry.model_dump_json(by_alias=True))
        return
    before = f"version {entry.before}" if entry.before else "none"
    typer.echo(f"{model}: champion is version {entry.after}, was {before} (entry {entry.number} of the log)")


def _table(found: "History") -> Table:
    rows = [(entry.at, _entry_cells(entry)) for entry in found.entries]
    rows += [(refusal.at, ("", "the gate", "refused", refusal.version, refusal.why)) for refusal in found.refused]
    table = Table(
        "entry", "when (UTC)", "who", "what", "from → to", "why", title=Text(found.model), title_justify="left"
    )
    for at, (number, who, what, change, why) in sorted(rows, key=lambda row: row[0]):
        table.add_row(*map(Text, (number, at[:19].replace("T", " "), who, what, change, why)))
    return table


def _entry_cells(entry: "LoggedEntry") -> tuple[str, str, str, str, str]:
    what = entry.kind if entry.valid else f"{entry.kind}, lost"
    judged = entry.gate.reason if entry.gate else ""
    # Of a promotion by hand the gate's figures are not the reason.
    why = entry.why if judged in ("", entry.why) else f"{entry.why} (the gate: {judged})"
    return str(entry.number), entry.who, what, f"{entry.before or '–'} → {entry.after or '–'}", why
