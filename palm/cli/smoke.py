"""The command `palm smoke`."""

import signal
import sys
import threading
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from palm.cli.cluster_options import (
    CacheClaim,
    CaConfigMap,
    CaFile,
    Cpu,
    GpuImage,
    Host,
    Hours,
    Image,
    Memory,
    Namespace,
    NodeSelector,
    Secret,
    ServiceAccount,
    TokenFile,
    Tolerations,
    UiHost,
    settings,
)

commands = typer.Typer()


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
    cpu: Cpu = "1",
    memory: Memory = "2Gi",
    node_selector: NodeSelector = "{}",
    tolerations: Tolerations = "[]",
    secret: Secret = "palm-credentials",
    service_account: ServiceAccount = None,
    hours: Hours = 1,
    image: Image = None,
    gpu_image: GpuImage = None,
    cache_claim: CacheClaim = None,
    ca_config_map: CaConfigMap = None,
) -> None:
    """Test a cluster: doctor, a tiny build, its repetition, a rebuild, promotion, rollback, page; without a GPU."""
    from palm.cluster.kfp.connection import Address
    from palm.cluster.kfp.parameters import Resources
    from palm.cluster.smoke.run import Cluster
    from palm.cluster.smoke.run import smoke as try_cluster

    cluster = Cluster(
        address=Address(host, namespace, token_file, ca_file, ui_host),
        storage_root=storage_root,
        tracking_uri=tracking_uri,
        resources=Resources.from_text(
            accelerator_count=0,
            training_accelerator_count=0,
            cpu=cpu,
            memory=memory,
            node_selector=node_selector,
            tolerations=tolerations,
            secret=secret,
        ),
        # Retries would hide failures.
        settings=settings(2, 0, hours, image, gpu_image or image, cache_claim, ca_config_map),
        service_account=service_account,
    )
    # SIGTERM must not prevent the clean-up; only the main thread may set signal handlers.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    console = Console()
    table = Table("check", "", "seconds", "found")
    passed = True
    for finding in try_cluster(cluster, keep=keep):
        passed = passed and finding.ok is not False
        word = {True: "ok", False: "failed", None: "not run"}[finding.ok]
        console.print(f"{finding.name}: {word} after {finding.seconds:.0f} s", highlight=False)
        style = {True: "green", False: "red", None: "dim"}[finding.ok]
        table.add_row(finding.name, f"[{style}]{word}[/]", f"{finding.seconds:.0f}", escape(finding.detail))
    wide = console if console.is_terminal else Console(width=max(160, console.width))
    wide.print(table)
    if not passed:
        raise typer.Exit(1)
