"""Data of the tasks of a run: what they are given, what they return, and how KFP's driver writes both."""

import json
from hashlib import sha256
from typing import Any

Values = dict[str, Any]
"""Inputs or outputs of a task by name; an artifact is a list of entries, of a loop's output one for each item."""

_GO_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_TYPICAL = "policy-0123456789ab"
_LAUNCHER = (
    *("/kfp-launcher/launch", "--executor_type", "container", "--pipeline_name", "build-portfolio"),
    *("--run_id", "5f0d3c1e-8b7a-4c2d-9e6f-1a2b3c4d5e6f", "--execution_id", "100"),
    *("--pod_name", "$(KFP_POD_NAME)", "--pod_uid", "$(KFP_POD_UID)"),
    *("--ml_pipeline_server_address", "ml-pipeline.kubeflow.svc.cluster.local", "--ml_pipeline_server_port", "8887"),
    *("--mlmd_server_address", "metadata-grpc-service.kubeflow.svc.cluster.local", "--mlmd_server_port", "8080"),
    *("--publish_logs", "true", "--ml_pipeline_tls_enabled=false", "--metadata_tls_enabled=false", "--ca_cert_path"),
    *("", "--cache_disabled=false", "--log_level", "1", "--"),
)
"""Command line of KFP's launcher, without the inputs and the component."""

# KFP adds the storage's settings to every artifact. With address and name, an artifact takes 0.6 kB for each copy.
_STORE = (
    '{"Provider":"minio","Params":{"accessKeyKey":"accesskey","disableSSL":"true","endpoint":'
    '"minio-service.kubeflow.svc.cluster.local:9000","forcePathStyle":"true","fromEnv":"false","maxRetries":"5",'
    '"region":"minio","secretKeyKey":"secretkey","secretName":"mlpipeline-minio-artifact"}}'
)


def to_go_json(value: Any) -> str:
    """JSON as Go writes it: no spaces, and HTML's special characters escaped."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).translate(_GO_ESCAPES)


def task_inputs(task: dict, group: Values, done: dict[str, Values]) -> Values:
    """Inputs of a task, from those of its group and the outputs of the tasks before it."""
    given = task.get("inputs", {})
    values = {key: _value(source, group, done) for key, source in given.get("parameters", {}).items()}
    for key, source in given.get("artifacts", {}).items():
        if output := source.get("taskOutputArtifact"):
            values[key] = done[output["producerTask"]][output["outputArtifactKey"]]
        else:
            values[key] = group[source["componentInputArtifact"]]
    return values


def _value(source: dict, group: Values, done: dict[str, Values]) -> Any:
    if "runtimeValue" in source:
        return source["runtimeValue"]["constant"]
    if output := source.get("taskOutputParameter"):
        return done[output["producerTask"]][output["outputParameterKey"]]
    value = group[source["componentInputParameter"]]
    # `parseJson(string_value)["group"]`: a key of a loop's item.
    selector = source.get("parameterExpressionSelector", "")
    return value[selector.split('"')[1]] if selector else value


def group_outputs(dag: dict, done: dict[str, Values]) -> Values:
    """Outputs of a group, from those of its tasks."""
    outputs, values = dag.get("outputs", {}), {}
    for key, definition in outputs.get("parameters", {}).items():
        source = definition["valueFromParameter"]
        values[key] = done[source["producerSubtask"]][source["outputParameterKey"]]
    for key, definition in outputs.get("artifacts", {}).items():
        sources = definition["artifactSelectors"]
        values[key] = [e for source in sources for e in done[source["producerSubtask"]][source["outputArtifactKey"]]]
    return values


def executor_input(component: dict, given: Values, place: str) -> str:
    """The text that an executor is given: inputs, and addresses below `place` for outputs."""
    inputs, outputs = component.get("inputDefinitions", {}), component.get("outputDefinitions", {})
    artifacts = inputs.get("artifacts", {})
    value = {
        "inputs": {
            "parameterValues": {key: value for key, value in given.items() if key not in artifacts},
            "artifacts": {key: {"artifacts": given[key]} for key in artifacts if key in given},
        },
        "outputs": {
            "parameters": {key: {"outputFile": f"/tmp/kfp/outputs/{key}"} for key in outputs.get("parameters", {})},
            "artifacts": {
                key: {"artifacts": [{"name": key, "type": kind, "uri": f"{place}/{key}", "metadata": {}}]}
                for key, kind in _artifact_types(component).items()
            },
            "outputFile": f"/{place.replace('://', '/')}/output_metadata.json",
        },
    }
    return to_go_json(value)


def executor_outputs(component: dict, answers: dict[str, Any], place: str, execution: int) -> Values:
    """Outputs of a task as later tasks are given them; `answers` has the parameters that are known."""
    parameters = component.get("outputDefinitions", {}).get("parameters", {})
    values = {
        key: answers.get(key, [] if definition["parameterType"] == "LIST" else _TYPICAL)
        for key, definition in parameters.items()
    }
    for key in _artifact_types(component):
        metadata = {"display_name": key, "store_session_info": _STORE}
        values[key] = [{"name": str(execution), "uri": f"{place}/{key}", "metadata": metadata}]
    return values


def _artifact_types(component: dict) -> dict[str, dict]:
    artifacts = component.get("outputDefinitions", {}).get("artifacts", {})
    types = {key: definition["artifactType"] for key, definition in artifacts.items()}
    return types | {"executor-logs": {"schemaTitle": "system.Artifact"}}


def pod_spec_patch(component: dict, container: dict, kubernetes: dict, executor_input: str) -> str:
    """Answer of a task's driver, the patch of its executor's pod. Volumes and limits stand in it as in the settings."""
    keys = [key for secret in kubernetes.get("secretAsEnv", []) for key in secret["keyToEnv"]]
    reference = {"name": "palm-credentials", "optional": True}
    secrets = [
        {"name": key["envVar"], "valueFrom": {"secretKeyRef": {**reference, "key": key["secretKey"]}}} for key in keys
    ]
    main = {
        "name": "main",
        "image": container["image"],
        "command": [*_LAUNCHER, "--executor_input", executor_input, "--component_spec", to_go_json(component)],
        "args": [*container.get("command", []), *container.get("args", [])],
        "env": [*container.get("env", []), *secrets],
        "resources": container.get("resources", {}),
    }
    others = {key: value for key, value in kubernetes.items() if key not in ("secretAsEnv", "podMetadata")}
    return to_go_json({"containers": [main], **others})


def output_place(workflow: str, task: str, execution: int) -> str:
    """Address as KFP gives one to the outputs of a task."""
    run, salt = _uuid(workflow), _uuid(f"{workflow} {execution}")
    return f"minio://mlpipeline/v2/artifacts/{workflow.rpartition('-')[0]}/{run}/{task}/{salt}"


def _uuid(text: str) -> str:
    digits = sha256(text.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))
