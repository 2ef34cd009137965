"""Options that the cluster commands share, and how they change the configuration."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Pipeline(StrEnum):
    """The pipelines."""

    build_portfolio = "build_portfolio"
    rebuild_on_change = "rebuild_on_change"


ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file (YAML).")]
Host = Annotated[
    str | None,
    typer.Option(
        envvar=["PALM_KFP_HOST", "KF_PIPELINES_ENDPOINT"],
        help="Address of Kubeflow Pipelines; unset: the one in this cluster, or the one that kubectl reaches.",
    ),
]
UiHost = Annotated[
    str | None,
    typer.Option(
        envvar=["PALM_KFP_UI", "KF_PIPELINES_UI_ENDPOINT"],
        help="Address of the UI that links open, where that of the API is another; unset: the API's.",
    ),
]
Namespace = Annotated[
    str | None, typer.Option(envvar="PALM_KFP_NAMESPACE", help="Namespace of the runs; unset: this pod's.")
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        envvar="KF_PIPELINES_SA_TOKEN_PATH",
        help="File with a bearer token, read again for every request. PALM_KFP_TOKEN may hold a token and "
        "PALM_KFP_COOKIES cookies instead.",
    ),
]
CaFile = Annotated[Path | None, typer.Option(help="Certificates to trust, PEM.")]
Experiment = Annotated[str, typer.Option(help="Experiment in Kubeflow Pipelines; created if missing.")]
StorageRoot = Annotated[str | None, typer.Option(help="Replaces storage.root, e.g. s3://BUCKET/PREFIX.")]
TrackingUri = Annotated[str | None, typer.Option(help="Replaces registry.tracking_uri.")]
KfpMlflow = Annotated[
    str | None,
    typer.Option(
        metavar="on|off|EXPERIMENT",
        help="Whether KFP's own MLflow plugin records the run, and in which experiment; unset: as the server is set.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replaces a value of the configuration, e.g. cluster.tasks.memory=64Gi; may be repeated.",
    ),
]
SettingsFolder = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FOLDER",
        help="Folder with one file for each value to replace, named by its key: a mounted ConfigMap. --set comes last.",
    ),
]
Validate = Annotated[
    bool, typer.Option(help="Read the prompts and try the rewards on this machine first; the design is always checked.")
]


def overrides(settings: list[str] | None, folder: Path | None) -> dict[str, Any]:
    """Values that replace those of the configuration, by dotted key."""
    from palm.config.overrides import parse_overrides, read_overrides

    return {**(read_overrides(folder) if folder else {}), **parse_overrides(settings or [])}


def placed_config(
    path: Path, storage_root: str | None, tracking_uri: str | None, replaced: dict[str, Any] | None = None
):
    """The configuration with storage and MLflow where a run in the cluster finds them."""
    from palm.config.load import load_config
    from palm.config.resolve import resolve_config

    text = load_config(path, replaced).model_dump_json()
    return resolve_config(text, storage_root=storage_root or "", tracking_uri=tracking_uri or "")


def checked_config(
    path: Path, storage_root: str | None, tracking_uri: str | None, replaced: dict[str, Any], validate: bool
):
    """The same, after checks of what would make a run fail late."""
    from palm.cluster.kfp.submission import check_submission

    config = placed_config(path, storage_root, tracking_uri, replaced)
    check_submission(config, try_inputs=validate)
    return config
