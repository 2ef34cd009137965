"""Commands of `palm` that serve a portfolio: download it, and roll out a new champion."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from palm.cli.cluster_options import ConfigPath

commands = typer.Typer()


class Dtype(StrEnum):
    """Number formats that vLLM computes in."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


@commands.command()
def pull(
    config: ConfigPath,
    destination: Annotated[
        Path, typer.Argument(help="Folder, the mount of a volume for example; `portfolio` in it is filled.")
    ],
    version: Annotated[
        str | None, typer.Option(metavar="N", envvar="PALM_VERSION", help="Version; unset or empty: the champion.")
    ] = None,
    dtype: Annotated[
        Dtype | None, typer.Option(help="What vLLM computes in; unset: what the portfolio was built with.")
    ] = None,
) -> None:
    """Download a registered portfolio, check every sha256, and write the configuration of `vllm serve`."""
    from palm.config.load import load_config
    from palm.promotion import promotions
    from palm.promotion.pull import pull
    from palm.serving.vllm import VLLM_CONFIG

    folder = pull(
        promotions(load_config(config)), destination, version=version, dtype=dtype and dtype.value, report=typer.echo
    )
    typer.echo(f"vllm serve --config {folder / VLLM_CONFIG}")


@commands.command()
def rollout(
    config: ConfigPath,
    deployment: Annotated[str, typer.Option(metavar="NAME", help="Deployment whose pods serve the portfolio.")],
    namespace: Annotated[
        str | None, typer.Option(help="Its namespace; unset: this pod's, or the one of kubectl.")
    ] = None,
    verify: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Server of the champion, e.g. `vllm serve` of what `palm pull` fetched: nothing is rolled out unless "
            "every policy answers there as when it was trained.",
        ),
    ] = None,
) -> None:
    """Let a Deployment serve the champion: its pods are replaced one by one if they serve another version."""
    from palm.cluster.rollout import roll_out
    from palm.config.load import load_config

    typer.echo(roll_out(load_config(config).registry, deployment, namespace, verify=verify))
