"""Options that the cluster commands share, and what the library is given of them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Pipeline(StrEnum):
    """The pipelines that there are."""

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
Experiment = Annotated[str, typer.Option(help="Experiment in Kubeflow Pipelines; made if missing.")]
StorageRoot = Annotated[str | None, typer.Option(help="Takes the place of storage.root, e.g. s3://BUCKET/PREFIX.")]
TrackingUri = Annotated[str | None, typer.Option(help="Takes the place of registry.tracking_uri.")]
Accelerator = Annotated[str, typer.Option(help="Resource name of the GPU type.")]
AcceleratorCount = Annotated[int, typer.Option(min=0, help="GPUs of a task that samples or evaluates.")]
TrainingAcceleratorCount = Annotated[
    int, typer.Option(min=0, help="GPUs of a task that trains: training.processes, or 0 if TrainJobs train.")
]
Cpu = Annotated[str, typer.Option(help="Cores of a task that samples, trains or evaluates.")]
Memory = Annotated[str, typer.Option(help="Memory of such a task.")]
NodeSelector = Annotated[str, typer.Option(help="Labels of the nodes for such tasks, JSON object.")]
Tolerations = Annotated[str, typer.Option(help="Taints that such tasks accept, JSON list as in a pod.")]
Secret = Annotated[str, typer.Option(help="Secret whose keys become environment variables of all tasks.")]
ServiceAccount = Annotated[str | None, typer.Option(help="Service account of the pods.")]
KfpMlflow = Annotated[
    str | None,
    typer.Option(
        metavar="on|off|EXPERIMENT",
        help="Whether KFP's own MLflow plugin records the run, and in which experiment; unset: as the server is set.",
    ),
]
Parallel = Annotated[int, typer.Option(help="Groups of policies trained at once: bounds the GPU pods of a run.")]
Retries = Annotated[int, typer.Option(help="How often a failed or preempted task is tried again.")]
Hours = Annotated[
    int,
    typer.Option(help="Time limit of a task; one trains a whole group of policies."),
]
CacheClaim = Annotated[
    str | None,
    typer.Option(help="PersistentVolumeClaim (ReadWriteMany) that keeps the tasks' downloads, models of the hub say."),
]
CaConfigMap = Annotated[
    str | None, typer.Option(help="ConfigMap whose key ca.crt (PEM) tasks trust in place of the public authorities.")
]
Image = Annotated[str | None, typer.Option(help="Image of tasks without a GPU.")]
GpuImage = Annotated[str | None, typer.Option(help="Image of tasks that sample, train and evaluate.")]
Validate = Annotated[
    bool, typer.Option(help="Read the prompts and try the rewards on this machine first; the design is always checked.")
]


def settings(
    parallel: int,
    retries: int,
    hours: int,
    image: str | None,
    gpu_image: str | None,
    cache_claim: str | None,
    ca_config_map: str | None,
):
    """What the compiled pipeline depends on; images that are not given are the project's."""
    from palm.pipelines.settings import CompileSettings

    images = {key: value for key, value in (("image", image), ("gpu_image", gpu_image)) if value}
    # A Job in which a variable is empty gives an empty text.
    volumes = {"cache_claim": cache_claim or None, "ca_config_map": ca_config_map or None}
    return CompileSettings(parallel=parallel, retries=retries, hours=hours, **images, **volumes)


def placed_config(path: Path, storage_root: str | None, tracking_uri: str | None):
    """The configuration with storage and MLflow where a run in the cluster is to find them."""
    from palm.config.load import load_config
    from palm.config.resolve import resolve_config

    text = load_config(path).to_json()
    return resolve_config(text, storage_root=storage_root or "", tracking_uri=tracking_uri or "")


def checked_config(path: Path, storage_root: str | None, tracking_uri: str | None, validate: bool):
    """The same, after what would make a run fail late was checked."""
    from palm.cluster.kfp.submission import check_submission

    config = placed_config(path, storage_root, tracking_uri)
    check_submission(config, try_inputs=validate)
    return config
