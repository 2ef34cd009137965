"""Configuration of the cluster nodes that train a policy."""

import re
from typing import Literal

from pydantic import Field, field_validator

from palm.config.base import Section
from palm.config.pods import SECRET_KEYS, LabelKey, LabelValue, Name, Quantity, Toleration

_VARIABLE = re.compile(r"[-._A-Za-z][-._A-Za-z0-9]*")
_MOST_ENVIRONMENT = 100_000
"""Bytes of variables. Kubernetes refuses objects of more than 1 MiB, and Linux a variable of more than 128 KiB."""


class TrainJobSettings(Section):
    """A TrainJob of Kubeflow Trainer: pods on several nodes that train one policy together, in palm's own namespace."""

    nodes: int = Field(ge=1, description="Nodes, each with training.processes processes.")
    runtime: Name = Field(
        "torch-distributed",
        description="Runtime whose pods are used; its policy must be torch, its job and container be named node.",
    )
    runtime_kind: Literal["ClusterTrainingRuntime", "TrainingRuntime"] = Field(
        "ClusterTrainingRuntime", description="TrainingRuntime: one of the namespace."
    )
    image: str | None = Field(
        None, min_length=1, description="Image of the nodes, with this palm in it; unset: that of the starting pod."
    )
    accelerator: str | None = Field(
        "nvidia.com/gpu", description="Resource of which a node gets one for each process; null: processors only."
    )
    cpu: Quantity = Field(description="Processor cores of a node, e.g. 16.")
    memory: Quantity = Field(description="Memory of a node, e.g. 128Gi; /dev/shm counts towards it.")
    secret: Name = Field(
        "palm-credentials",
        description=f"Secret whose keys become environment variables of the nodes: {', '.join(SECRET_KEYS)}.",
    )
    environment: dict[str, str] = Field(
        {}, description="Further environment variables of the nodes, such as NCCL_SOCKET_IFNAME; no credentials."
    )
    ca_config_map: Name | None = Field(
        None, description="ConfigMap whose key ca.crt (PEM) the nodes trust; unset: public authorities."
    )
    service_account: Name | None = Field(None, description="Service account; unset: the runtime's.")
    labels: dict[LabelKey, LabelValue] = Field(
        {}, description="Labels of the TrainJob, such as kueue.x-k8s.io/queue-name."
    )
    node_selector: dict[LabelKey, LabelValue] = Field({}, description="Labels that a node must have.")
    tolerations: tuple[Toleration, ...] = Field((), description="Taints that a node may have.")
    timeout_seconds: int = Field(
        82800,
        ge=1,
        description="Longest time until the policy is trained, waiting for nodes included; shorter than the step's own "
        "limit (cluster.training.hours), so that the step is there to remove the TrainJob.",
    )
    grace_seconds: int = Field(
        120, ge=30, description="Time that nodes have after SIGTERM for the current step and a checkpoint."
    )

    @field_validator("environment")
    @classmethod
    def _is_free_to_set(cls, environment: dict[str, str]) -> dict[str, str]:
        for name in environment:
            if name in SECRET_KEYS:
                raise ValueError(f"holds {name}, which would be stored with every build; put it into the secret")
            if name.startswith("PET_"):
                raise ValueError(f"holds {name}, which the runtime sets; remove it")
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"holds {name!r}, which is no name of a variable in Kubernetes; correct it")
        size = sum(len(text.encode()) for variable in environment.items() for text in variable)
        if size > _MOST_ENVIRONMENT:
            raise ValueError(
                f"has {size} bytes, at most {_MOST_ENVIRONMENT} fit into the TrainJob; mount a file instead"
            )
        return environment
