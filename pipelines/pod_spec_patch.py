"""What a task's driver answers: the pod of its executor, as Kubeflow Pipelines 2.17 puts it together."""

from typing import Any

from palm.pipelines.argo_text import to_go_json
from palm.pipelines.workflow_data import PLACEHOLDER

_LAUNCHER = (
    ("--pod_name", "$(KFP_POD_NAME)"),
    ("--pod_uid", "$(KFP_POD_UID)"),
    ("--ml_pipeline_server_address", "ml-pipeline.kubeflow.svc.cluster.local"),
    ("--ml_pipeline_server_port", "8887"),
    ("--mlmd_server_address", "metadata-grpc-service.kubeflow.svc.cluster.local"),
    ("--mlmd_server_port", "8080"),
    ("--publish_logs", "true"),
    ("--ml_pipeline_tls_enabled=false",),
    ("--metadata_tls_enabled=false",),
    ("--ca_cert_path", ""),
    ("--cache_disabled=false",),
    ("--log_level", "1"),
    ("--",),
)
_RUN_ID = "5f0d3c1e-8b7a-4c2d-9e6f-1a2b3c4d5e6f"


def pod_spec_patch(
    pipeline: str, component: dict, container: dict, kubernetes: dict, executor_input: dict, execution: int
) -> str:
    """The patch of an executor's pod.

    Args:
        pipeline: name of the pipeline.
        component: the component, of KFP's intermediate representation.
        container: its container.
        kubernetes: what Kubernetes is told of it.
        executor_input: what it is given and where its outputs go.
        execution: its number in the store of metadata.

    Returns:
        JSON text.
    """
    inputs = executor_input["inputs"].get("parameterValues", {})

    def resolved(text: str) -> str:
        return PLACEHOLDER.sub(lambda match: str(inputs.get(match[1], "")), text)

    command = ["/kfp-launcher/launch", "--executor_type", "container", "--pipeline_name", pipeline]
    command += ["--run_id", _RUN_ID, "--execution_id", str(execution)]
    command += ["--executor_input", to_go_json(executor_input), "--component_spec", to_go_json(component)]
    command += [word for words in _LAUNCHER for word in words]
    main = {
        "name": "main",
        "image": container["image"],
        "command": command,
        "args": [*container.get("command", []), *container.get("args", [])],
        "env": [*container.get("env", []), *_environment(kubernetes, inputs)],
        "resources": _resources(container.get("resources", {}), resolved),
    }
    mounts = _mounts(kubernetes)
    if mounts:
        main["volumeMounts"] = [{"name": name, "mountPath": path} for name, path, _ in mounts]
    if "securityContext" in kubernetes:
        main["securityContext"] = {**kubernetes["securityContext"], "allowPrivilegeEscalation": False}
    patch: dict[str, Any] = {"containers": [main]}
    if mounts:
        patch["volumes"] = [{"name": name, **source} for name, _, source in mounts]
    if "activeDeadlineSeconds" in kubernetes:
        patch["activeDeadlineSeconds"] = int(kubernetes["activeDeadlineSeconds"])
    return to_go_json(patch)


def _environment(kubernetes: dict, inputs: dict) -> list[dict]:
    entries = []
    for secret in kubernetes.get("secretAsEnv", []):
        parameter = secret.get("secretNameParameter", {})
        name = inputs.get(parameter.get("componentInputParameter"), "") or "palm-credentials"
        for key in secret["keyToEnv"]:
            reference = {"name": name, "key": key["secretKey"], "optional": secret.get("optional", False)}
            entries.append({"name": key["envVar"], "valueFrom": {"secretKeyRef": reference}})
    for entry in kubernetes.get("fieldPathAsEnv", []):
        entries.append({"name": entry["name"], "valueFrom": {"fieldRef": {"fieldPath": entry["fieldPath"]}}})
    return entries


def _resources(resources: dict, resolved) -> dict:
    limits, requests = {}, {}
    for kind, short in (("Cpu", "cpu"), ("Memory", "memory")):
        for place, word in ((limits, "Limit"), (requests, "Request")):
            if value := resources.get(f"resource{kind}{word}"):
                place[short] = resolved(value)
    accelerator = resources.get("accelerator", {})
    if accelerator.get("resourceType"):
        limits[resolved(accelerator["resourceType"])] = resolved(accelerator["resourceCount"])
    return {"limits": limits, "requests": requests}


def _mounts(kubernetes: dict) -> list[tuple[str, str, dict]]:
    """Name, path and source of every volume."""
    mounts = []
    for entry in kubernetes.get("emptyDirMounts", []):
        mounts.append((entry["volumeName"], entry["mountPath"], {"emptyDir": {"medium": entry.get("medium", "")}}))
    for entry in kubernetes.get("pvcMount", []):
        claim = entry.get("constant") or entry.get("pvcNameParameter", {}).get("runtimeValue", {}).get("constant", "")
        mounts.append((claim, entry["mountPath"], {"persistentVolumeClaim": {"claimName": claim}}))
    for entry in kubernetes.get("configMapAsVolume", []):
        name = entry.get("configMapName", "")
        mounts.append(
            (name, entry["mountPath"], {"configMap": {"name": name, "optional": entry.get("optional", False)}})
        )
    return mounts
