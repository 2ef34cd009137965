"""Labels of the pods of a run: the network policies of `manifests/base` let through what they name."""

_OWN = {"app.kubernetes.io/part-of": "palm"}
_STORES = {"palm/reaches-mlflow": "true", "palm/reaches-s3": "true"}

TASK_LABELS = {
    **_OWN,
    "app.kubernetes.io/name": "palm-task",
    **_STORES,
    "palm/reaches-kfp": "true",
    "palm/reaches-kubernetes": "true",
}
"""Of a task: besides what palm itself uses, KFP's launcher reports to KFP and Argo's executor to Kubernetes."""

NODE_LABELS = {
    **_OWN,
    "app.kubernetes.io/name": "palm-node",
    **_STORES,
    "palm/reaches-nodes": "true",
    "sidecar.istio.io/inject": "false",
}
"""Of a node of a TrainJob, which talks to the other nodes; KFP itself keeps Istio's sidecar out of tasks."""
