"""Pods of a run: resources and tolerations, trusted authorities, labels, and the keys of the Secret that they read."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from palm.config.base import Section

Quantity = Annotated[
    str, Field(coerce_numbers_to_str=True), StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|[MGTPE]i?)?$")
]
"""An amount as Kubernetes writes it, e.g. ``500m`` or ``64Gi``."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
"""The name of an object in Kubernetes."""


_LABEL_PART = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LabelKey = Annotated[
    str, StringConstraints(pattern=rf"^([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_LABEL_PART}$", max_length=317)
]
"""The key of a label in Kubernetes: a name of at most 63 characters, after ``PREFIX/`` or alone."""
LabelValue = Annotated[str, StringConstraints(pattern=rf"^({_LABEL_PART})?$", max_length=63)]
"""The value of a label in Kubernetes: at most 63 characters."""


class Toleration(Section):
    """A taint of nodes that the pods tolerate, as in a pod's ``tolerations``."""

    key: LabelKey = Field(description="The taint's key.")
    operator: Literal["Exists", "Equal"] = Field("Exists", description="Exists: any value; Equal: the given one.")
    value: LabelValue | None = Field(None, description="The taint's value; only with operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="The taint's effect; unset: any."
    )
    tolerationSeconds: int | None = Field(None, ge=0, description="How long a NoExecute taint is accepted.")

    @model_validator(mode="after")
    def _value_is_compared(self):
        if self.value is not None and self.operator == "Exists":
            raise ValueError("value is refused with operator: Exists")
        return self


AUTHORITIES_FOLDER = "/etc/palm-ca"
"""Where the ConfigMap with a site's certificate authorities is mounted."""

AUTHORITIES_VARIABLES = dict.fromkeys(
    ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"), f"{AUTHORITIES_FOLDER}/ca.crt"
)
"""Environment variables by which OpenSSL, requests and boto3 find the authorities."""

_OWN = {"app.kubernetes.io/part-of": "palm"}
_STORES = {"palm/reaches-mlflow": "true", "palm/reaches-s3": "true"}

TASK_LABELS = {
    **_OWN,
    "app.kubernetes.io/name": "palm-task",
    **_STORES,
    "palm/reaches-kfp": "true",
    "palm/reaches-kubernetes": "true",
}
"""Labels of a task, which the network policies of `manifests/base` select.

KFP's launcher reports to KFP, and Argo's executor to Kubernetes.
"""

NODE_LABELS = {
    **_OWN,
    "app.kubernetes.io/name": "palm-node",
    **_STORES,
    "palm/reaches-nodes": "true",
    "sidecar.istio.io/inject": "false",
}
"""Labels of a node of a TrainJob, which talks to the other nodes. KFP itself keeps Istio's sidecar out of tasks."""

MLFLOW_KEYS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
"""Keys of PALM's MLflow server."""

SECRET_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
    *MLFLOW_KEYS,
    "HF_TOKEN",
)
"""Keys of the Secret that a run names, all optional. They are never in a configuration: pods read them as environment
variables (`task_variable`)."""


def task_variable(key: str) -> str:
    """Environment variable by which a task of a pipeline gets a key; everywhere else it is the key itself.

    Kubeflow Pipelines' MLflow plugin gives every task its own credentials under MLflow's names, and its launcher, in
    the same container, logs in with what is there.
    """
    return f"PALM_{key}" if key in MLFLOW_KEYS else key
