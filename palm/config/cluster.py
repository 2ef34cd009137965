"""The section of the configuration that describes the pods of a run in a cluster, compiled into its pipeline.

It decides where and how fast a portfolio is built, never what is built: it enters no content name and no snapshot.
"""

from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from palm.config.base import Section
from palm.config.pods import SECRET_KEYS, LabelKey, LabelValue, Name, Quantity, Toleration

IMAGE = "localhost/palm:0.1.0-cpu"
GPU_IMAGE = "localhost/palm:0.1.0-gpu"
"""The project's images: palm with all its dependencies, at the versions of constraints.txt."""

# The forms of quantities that KFP's compiler accepts.
_Cores = Annotated[Quantity, StringConstraints(pattern=r"^([0-9]+\.)?[0-9]+m?$")]
_Memory = Annotated[Quantity, StringConstraints(pattern=r"^[0-9]+([KMGTPE]i?)?$")]


class PodResources(Section):
    """Resources, placement and limits of one kind of task."""

    cpu: _Cores = Field("4", description="Processor cores, e.g. 16 or 500m.")
    memory: _Memory = Field("32Gi", description="Memory, a whole number, e.g. 128Gi; /dev/shm counts towards it.")
    gpus: int = Field(1, ge=0, description="GPUs; 0: none.")
    accelerator: str = Field(
        "nvidia.com/gpu",
        pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$",
        description="Resource name of the GPU type.",
    )
    node_selector: dict[LabelKey, LabelValue] = Field({}, description="Labels that a node must have.")
    tolerations: tuple[Toleration, ...] = Field((), description="Taints that a node may have.")
    hours: int = Field(24, ge=1, description="Time limit of an attempt, in hours.")
    retries: int = Field(3, ge=0, description="How often a failed or preempted task is retried.")


class Cluster(Section):
    """Pods of a run in Kubeflow Pipelines: compiled into the pipeline, ignored by local builds."""

    tasks: PodResources = Field(
        PodResources(),
        description="Tasks that sample or evaluate. Those that need no GPU have fixed sizes, but these retries.",
    )
    training: PodResources = Field(
        default_factory=dict,
        validate_default=True,
        description="Tasks that train a group of policies; an unset key is that of tasks, except gpus, which must be "
        "training.processes, or 0 with training.launcher trainjob, whose nodes are set in training.train_job.",
    )
    parallel: int = Field(
        4, ge=1, description="Groups of policies that are trained at once: the most GPU pods of a run."
    )
    image: str = Field(IMAGE, min_length=1, description="Image of tasks without a GPU.")
    gpu_image: str = Field(GPU_IMAGE, min_length=1, description="Image of tasks that sample, train or evaluate.")
    secret: Name = Field(
        "palm-credentials",
        description=f"Secret whose keys become environment variables of all tasks, if it exists: "
        f"{', '.join(SECRET_KEYS)}.",
    )
    service_account: Name | None = Field(None, description="Service account of the pods; unset: the server's choice.")
    cache_claim: Name | None = Field(
        None, description="PersistentVolumeClaim (ReadWriteMany) that keeps the tasks' downloads; unset: none."
    )
    ca_config_map: Name | None = Field(
        None, description="ConfigMap whose key ca.crt (PEM) tasks trust; unset: public authorities."
    )

    @field_validator("training", mode="before")
    @classmethod
    def _as_tasks(cls, given: Any, info: ValidationInfo) -> Any:
        tasks = info.data.get("tasks")
        return (
            given if tasks is None or not isinstance(given, dict) else {**tasks.model_dump(exclude={"gpus"}), **given}
        )
