"""The command `palm smoke`."""

import signal
import sys
import threading
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from palm.cli.cluster_options import CaFile, Host, Namespace, Set, SettingsFolder, TokenFile, UiHost, overrides

commands = typer.Typer()
_TINY = {
    "cluster.parallel": 2,
    "cluster.tasks.cpu": 1,
    "cluster.tasks.memory": "2Gi",
    "cluster.tasks.gpus": 0,
    "cluster.training.gpus": 0,
    "cluster.tasks.hours": 1,
    # A retry would hide what is tried here.
    "cluster.tasks.retries": 0,
}
"""Pods of tiny builds, unless --settings or --set replace them."""


@commands.command()
def smoke(
    storage_root: Annotated[str, typer.Option(help="s3:// prefix, below which a folder is made and removed.")],
    tracking_uri: Annotated[str, typer.Option(help="MLflow, as pods and this machine reach it.")],
    keep: Annotated[bool, typer.Option("--keep", help="Keep everything that was made, for inspection.")] = False,
    host: Host = None,
    namespace: Namespace = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    ui_host: UiHost = None,
    settings: Set = None,
    settings_folder: SettingsFolder = None,
) -> None:
    """Test a cluster: doctor, a tiny build, its repetition, a rebuild, promotion, rollback, page; without a GPU."""
    from palm.cluster.kfp.connection import Address
    from palm.cluster.smoke.run import smoke as try_cluster
    from palm.config.load import load_places

    chosen = overrides(settings, settings_folder)
    if "cluster.image" in chosen:
        chosen.setdefault("cluster.gpu_image", chosen["cluster.image"])
    cluster, storage = load_places(_TINY | chosen, storage_root)
    address = Address(host, namespace, token_file, ca_file, ui_host)
    # SIGTERM must not prevent the clean-up; only the main thread may set signal handlers.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    console = Console()
    table = Table("check", "", "seconds", "found")
    passed = True
    for finding in try_cluster(address, cluster, storage=storage, tracking_uri=tracking_uri, keep=keep):
        passed = passed and finding.ok is not False
        word = {True: "ok", False: "failed", None: "not run"}[finding.ok]
        console.print(f"{finding.name}: {word} after {finding.seconds:.0f} s", highlight=False)
        style = {True: "green", False: "red", None: "dim"}[finding.ok]
        table.add_row(finding.name, f"[{style}]{word}[/]", f"{finding.seconds:.0f}", escape(finding.detail))
    wide = console if console.is_terminal else Console(width=max(160, console.width))
    wide.print(table)
    if not passed:
        raise typer.Exit(1)
