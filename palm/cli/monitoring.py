"""`palm exporter`: metrics for Prometheus."""

import signal
import threading
from typing import Annotated

import typer

from palm.cli.cluster_options import ConfigPath, StorageRoot, TrackingUri, placed_config

commands = typer.Typer()


@commands.command()
def exporter(
    config: ConfigPath,
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port of /metrics; 0: a free one.")] = 9464,
    interval: Annotated[float, typer.Option(min=1, help="Seconds between readings of the storage and MLflow.")] = 60,
    time_limit: Annotated[
        float, typer.Option(min=1, help="Seconds that a reading may take until its source counts as down.")
    ] = 60,
    storage_root: StorageRoot = None,
    tracking_uri: TrackingUri = None,
) -> None:
    """Serve metrics of the portfolio to Prometheus until stopped."""
    from palm.cluster.monitoring.exporter import serve

    loaded, stop = placed_config(config, storage_root, tracking_uri), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve(
        loaded,
        port=port,
        interval=interval,
        limit=time_limit,
        stop=stop,
        ready=lambda bound: typer.echo(f"metrics of {loaded.name} on port {bound}, path /metrics"),
    )
