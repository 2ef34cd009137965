"""The TrainJob that trains a policy: a Kubernetes object, named by its specification."""

from palm.config.pods import AUTHORITIES_FOLDER, AUTHORITIES_VARIABLES, NODE_LABELS, SECRET_KEYS
from palm.config.train_job import TrainJobSettings
from palm.storage.digest import value_digest
from palm.storage.s3_settings import s3_variables

GROUP, VERSION, KIND, PLURAL = "trainer.kubeflow.org", "v1alpha1", "TrainJob", "trainjobs"
NODE = "node"
"""Name that Kubeflow Trainer requires for a runtime's training job and for its container."""

INPUTS = "train-job-inputs"
"""Prefix, in the store, of the inputs that many TrainJobs read: base models and rollouts, named by content."""

_MANAGER = "palm/train-policy"
# With these a pod passes Pod Security's level `restricted`.
_POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_CONTAINER_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_MANAGED = {"app.kubernetes.io/managed-by": "palm"}


def train_job_manifest(
    settings: TrainJobSettings, policy: str, *, namespace: str, image: str, command: list[str], processes: int
) -> dict:
    """The TrainJob for one policy.

    Its name ends in a digest of its specification: the same request has the same name, so that it is found again.
    """
    resources = {"cpu": settings.cpu, "memory": settings.memory}
    if settings.accelerator is not None:
        resources[settings.accelerator] = str(processes)
    spec = {
        "runtimeRef": {"apiGroup": GROUP, "kind": settings.runtime_kind, "name": settings.runtime},
        "activeDeadlineSeconds": settings.timeout_seconds,
        "trainer": {
            "image": image,
            "command": command,
            "env": _environment(settings),
            "numNodes": settings.nodes,
            "numProcPerNode": processes,
            "resourcesPerNode": {"requests": resources, "limits": resources},
        },
        "runtimePatches": [{"manager": _MANAGER, "trainingRuntimeSpec": _runtime_patch(settings)}],
    }
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {
            "name": f"{policy}-{value_digest(spec)[:8]}",
            "namespace": namespace,
            "labels": {**settings.labels, **_MANAGED},
        },
        "spec": spec,
    }


def _environment(settings: TrainJobSettings) -> list[dict]:
    given = settings.environment if settings.ca_config_map is None else AUTHORITIES_VARIABLES | settings.environment
    plain = [{"name": name, "value": value} for name, value in (s3_variables() | given).items()]
    secret = [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": settings.secret, "key": key, "optional": True}}}
        for key in SECRET_KEYS
    ]
    return plain + secret


def _runtime_patch(settings: TrainJobSettings) -> dict:
    pod = {
        "terminationGracePeriodSeconds": settings.grace_seconds,
        # Processes on a node communicate through /dev/shm, which has 64 MiB by default.
        "volumes": [{"name": "shared-memory", "emptyDir": {"medium": "Memory"}}],
        "containers": [
            {
                "name": NODE,
                "securityContext": _CONTAINER_SECURITY,
                "volumeMounts": [{"name": "shared-memory", "mountPath": "/dev/shm"}],
            }
        ],
        "securityContext": _POD_SECURITY,
        "nodeSelector": settings.node_selector,
        "tolerations": [toleration.model_dump(exclude_none=True) for toleration in settings.tolerations],
    }
    if settings.ca_config_map is not None:
        pod["volumes"].append({"name": "authorities", "configMap": {"name": settings.ca_config_map}})
        pod["containers"][0]["volumeMounts"].append({"name": "authorities", "mountPath": AUTHORITIES_FOLDER})
    if settings.service_account is not None:
        pod["serviceAccountName"] = settings.service_account
    # The network policies select palm's pods by these labels.
    template = {"metadata": {"labels": NODE_LABELS}, "spec": pod}
    job = {"name": NODE, "template": {"spec": {"template": template}}}
    return {"template": {"spec": {"replicatedJobs": [job]}}}
