"""Commands of `palm` for Kubeflow Pipelines: compile, submit, schedule, runs, doctor."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from palm.cli.cluster_options import (
    CaFile,
    ConfigPath,
    Experiment,
    Host,
    KfpMlflow,
    Namespace,
    Pipeline,
    Set,
    SettingsFolder,
    StorageRoot,
    TokenFile,
    TrackingUri,
    UiHost,
    Validate,
    checked_config,
    overrides,
    placed_config,
)
from palm.cli.geometry import Json

commands = typer.Typer()


@commands.command()
def compile(
    pipeline: Annotated[Pipeline, typer.Option(help="Which pipeline.")] = Pipeline.build_portfolio,
    output: Annotated[Path | None, typer.Option(help="YAML file to write; unset: PIPELINE.yaml here.")] = None,
    manifest: Annotated[bool, typer.Option("--manifest", help="Write objects for `kubectl apply` instead.")] = False,
    config: Annotated[
        Path | None, typer.Option(help="Configuration whose section cluster is compiled; unset: the defaults.")
    ] = None,
    settings: Set = None,
    settings_folder: SettingsFolder = None,
) -> None:
    """Compile a pipeline to the YAML that Kubeflow Pipelines takes."""
    from palm.builds.checks.design import check_design
    from palm.config.load import load_cluster, load_config
    from palm.pipelines.build_size import check_build_size
    from palm.pipelines.compile import compile_pipeline

    replaced = overrides(settings, settings_folder)
    if config is None:
        cluster = load_cluster(replaced)
    else:
        loaded = load_config(config, replaced)
        check_design(loaded)
        check_build_size(loaded)
        cluster = loaded.cluster
    destination = output or Path(f"{pipeline.value}.yaml")
    compile_pipeline(pipeline.value, destination, cluster, manifest=manifest)
    typer.echo(f"wrote {destination}")


@commands.command()
def submit(
    config: ConfigPath,
    pipeline: Annotated[Pipeline, typer.Option(help="Which pipeline.")] = Pipeline.build_portfolio,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the run; exits with 1 if it fails.")] = False,
    validate: Validate = True,
    host: Host = None,
    namespace: Namespace = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    ui_host: UiHost = None,
    experiment: Experiment = "palm",
    storage_root: StorageRoot = None,
    tracking_uri: TrackingUri = None,
    kfp_mlflow: KfpMlflow = None,
    settings: Set = None,
    settings_folder: SettingsFolder = None,
    as_json: Json = False,
) -> None:
    """Run a pipeline in a cluster, with the files that the configuration names uploaded to its s3:// storage."""
    from palm.cluster.kfp.connection import Address, connect
    from palm.cluster.kfp.submission import follow
    from palm.cluster.kfp.submission import submit as submit_run

    loaded = checked_config(config, storage_root, tracking_uri, overrides(settings, settings_folder), validate)
    connection = connect(Address(host, namespace, token_file, ca_file, ui_host))
    run = submit_run(connection, loaded, pipeline=pipeline.value, experiment=experiment, kfp_mlflow=kfp_mlflow)
    if as_json:
        version = {"pipeline_version": run.version.name, "uploaded": run.version.uploaded}
        typer.echo(json.dumps({"run_id": run.run_id, "name": run.name, "link": run.link, **version}))
    else:
        typer.echo(f"{run.version.name} {'uploaded' if run.version.uploaded else 'was there already'}")
        typer.echo(f"run {run.run_id} ({run.name})")
        typer.echo(run.link)
    if wait:
        follow(connection, run.run_id, on_state=lambda state: typer.echo(state, err=as_json))


@commands.command()
def schedule(
    config: ConfigPath,
    cron: Annotated[
        str | None, typer.Option(help='Six fields, seconds first, UTC: "0 0 2 * * *" is every day at 02:00.')
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the recurring run; unset: the portfolio's.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Fail if the schedule does not exist.")] = False,
    disable: Annotated[bool, typer.Option("--disable", help="Keep the schedule, but start no runs.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Remove the schedule; needs no --cron.")] = False,
    validate: Validate = True,
    host: Host = None,
    namespace: Namespace = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    experiment: Experiment = "palm",
    storage_root: StorageRoot = None,
    tracking_uri: TrackingUri = None,
    kfp_mlflow: KfpMlflow = None,
    settings: Set = None,
    settings_folder: SettingsFolder = None,
    as_json: Json = False,
) -> None:
    """Rebuild a portfolio on a schedule, if its inputs have changed; a second call updates the schedule."""
    from palm.cluster.kfp.connection import Address, connect
    from palm.cluster.kfp.cron import next_times
    from palm.cluster.kfp.schedule import remove_schedule, schedule_rebuilds
    from palm.config.load import load_config
    from palm.errors import ClusterError

    address, replaced = Address(host, namespace, token_file, ca_file), overrides(settings, settings_folder)
    if delete:
        wanted = name or load_config(config, replaced).name
        retired = remove_schedule(connect(address), wanted)
        if as_json:
            change = "removed" if retired.removed or retired.kept else "unchanged"
            typer.echo(json.dumps({"change": change, **vars(retired)}))
            return
        typer.echo(f"{wanted}: {len(retired.removed)} removed")
        _show_kept(retired.kept)
        return
    if cron is None:
        raise ClusterError("--cron is not given", rule="a schedule needs a cron", remedy='e.g. --cron "0 0 2 * * *"')
    next_times(cron)  # Before anything is uploaded.
    loaded = checked_config(config, storage_root, tracking_uri, replaced, validate)
    outcome = schedule_rebuilds(
        connect(address),
        loaded,
        cron,
        name=name or loaded.name,
        enabled=not disable,
        experiment=experiment,
        kfp_mlflow=kfp_mlflow,
        must_exist=update,
    )
    times = [f"{time:%Y-%m-%d %H:%M:%S}" for time in outcome.next_times]
    if as_json:
        result = {"recurring_run_id": outcome.recurring_run_id, "change": outcome.change, **vars(outcome.retired)}
        typer.echo(json.dumps({**result, "enabled": not disable, "next_times": times}))
        return
    removed = f", {len(outcome.retired.removed)} removed" if outcome.retired.removed else ""
    typer.echo(f"{name or loaded.name}: {outcome.change}{removed}, recurring run {outcome.recurring_run_id}")
    typer.echo("disabled: starts no runs" if disable else f"next (UTC): {', '.join(times)}")
    _show_kept(outcome.retired.kept)


@commands.command()
def runs(
    limit: Annotated[int, typer.Option(min=1, help="Number of runs.")] = 20,
    experiment: Experiment = "palm",
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
        Path | None, typer.Argument(metavar="[CONFIG]", help="Configuration whose storage and MLflow are checked.")
    ] = None,
    mlflow_address: Annotated[
        str | None,
        typer.Option(help="Address of MLflow from this machine, if not registry.tracking_uri: http://localhost:5000."),
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
    """Check that a run in the cluster finds what it needs; exits with 1 if anything is missing."""
    from palm.cluster.doctor.checks import examine
    from palm.cluster.kfp.connection import Address
    from palm.config.load import load_cluster, load_places

    replaced, workspace = overrides(settings, settings_folder), None
    if config is None:
        cluster = load_places(replaced, storage_root)[0] if storage_root else load_cluster(replaced)
    else:
        placed = placed_config(config, storage_root, tracking_uri, replaced)
        cluster, storage_root, registry = placed.cluster, placed.storage.root, placed.registry
        tracking_uri, workspace = registry.tracking_uri, registry.workspace
    findings = examine(
        Address(host, namespace, token_file, ca_file),
        cluster,
        storage_root=storage_root,
        tracking_uri=tracking_uri,
        mlflow_address=mlflow_address,
        workspace=workspace,
    )
    if as_json:
        typer.echo(json.dumps([vars(finding) for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            typer.echo(f"{finding.name:<12} {'ok: ' if finding.ok else ''}{finding.detail}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _show_kept(kept: dict[str, list[str]]) -> None:
    for recurring_run, unfinished in kept.items():
        until = f"run{'s' if len(unfinished) > 1 else ''} {', '.join(unfinished)}"
        ended = "have" if len(unfinished) > 1 else "has"
        typer.echo(
            f"recurring run {recurring_run}: kept, disabled, until {until} {ended} ended; a later call removes it"
        )
