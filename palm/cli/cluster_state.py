"""The commands of `palm` that look at a cluster: the runs in it, and what a run would lack."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from palm.cli.cluster_options import (
    CaFile,
    Host,
    Namespace,
    Set,
    SettingsFolder,
    StorageRoot,
    TokenFile,
    TrackingUri,
    UiHost,
    overrides,
    placed_config,
)
from palm.cli.geometry import Json

commands = typer.Typer()


@commands.command()
def runs(
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    experiment: Annotated[str, typer.Option(help="Experiment in Kubeflow Pipelines.")] = "palm",
    host: Host = None,
    namespace: Namespace = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    ui_host: UiHost = None,
    as_json: Json = False,
) -> None:
    """List recent runs in a cluster, the newest first: state, duration, and why one failed."""
    from palm.cluster.kfp.connection import Address, connect
    from palm.cluster.kfp.runs import recent_runs, show_runs

    found = recent_runs(connect(Address(host, namespace, token_file, ca_file, ui_host)), limit, experiment)
    if as_json:
        typer.echo(json.dumps([run.to_dict() for run in found]))
        return
    if not found:
        typer.echo(f"no runs in experiment {experiment}")
        return
    show_runs(found, Console())


@commands.command()
def doctor(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="Configuration whose storage and MLflow are looked at.")
    ] = None,
    mlflow_address: Annotated[
        str | None,
        typer.Option(help="Where MLflow is reached from here, if not at registry.tracking_uri: http://localhost:5000."),
    ] = None,
    host: Host = None,
    namespace: Namespace = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    storage_root: StorageRoot = None,
    tracking_uri: TrackingUri = None,
    settings: Set = None,
    settings_folder: SettingsFolder = None,
    as_json: Json = False,
) -> None:
    """Find out what a run in the cluster would lack; exits with 1 if anything is."""
    from palm.cluster.doctor.checks import examine
    from palm.cluster.kfp.connection import Address
    from palm.config.load import load_cluster

    replaced = overrides(settings, settings_folder)
    if config is None:
        cluster = load_cluster(replaced)
    else:
        placed = placed_config(config, storage_root, tracking_uri, replaced)
        cluster, storage_root, tracking_uri = placed.cluster, placed.storage.root, placed.registry.tracking_uri
    findings = examine(
        Address(host, namespace, token_file, ca_file),
        cluster,
        storage_root=storage_root,
        tracking_uri=tracking_uri,
        mlflow_address=mlflow_address,
    )
    if as_json:
        typer.echo(json.dumps([vars(finding) for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            typer.echo(f"{finding.name:<12} {'ok: ' if finding.ok else ''}{finding.detail}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
