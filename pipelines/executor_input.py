"""What an executor is given, and what those after it are given of what it makes, as KFP's driver writes both."""

from hashlib import sha256
from typing import Any

from palm.pipelines.argo_text import to_go_json
from palm.pipelines.workflow_data import Values

# What KFP adds to an artifact so that its readers find the storage. With the address and the name an artifact takes
# 0.6 kB of a status for each of its copies.
_STORAGE = {
    "Provider": "minio",
    "Params": {
        "accessKeyKey": "accesskey",
        "disableSSL": "true",
        "endpoint": "minio-service.kubeflow.svc.cluster.local:9000",
        "forcePathStyle": "true",
        "fromEnv": "false",
        "maxRetries": "5",
        "region": "minio",
        "secretKeyKey": "secretkey",
        "secretName": "mlpipeline-minio-artifact",
    },
}

# An output parameter of which nothing is known.
_TYPICAL = {"BOOLEAN": True, "LIST": [], "STRUCT": {}, "NUMBER_INTEGER": 1, "NUMBER_DOUBLE": 1.0}
_TYPICAL_TEXT = "policy-0123456789ab"


def executor_input(component: dict, given: Values, place: str) -> dict:
    """What an executor is given.

    Args:
        component: of the task.
        given: inputs of the task.
        place: address below which its outputs go.

    Returns:
        JSON-able.
    """
    definitions = component.get("outputDefinitions", {})
    parameters = {key: {"outputFile": f"/tmp/kfp/outputs/{key}"} for key in definitions.get("parameters", {})}
    artifacts = {
        key: {"artifacts": [{"name": key, "type": kind, "uri": f"{place}/{key}", "metadata": {}}]}
        for key, kind in _artifact_types(component).items()
    }
    return {
        "inputs": {
            "parameterValues": given.parameters,
            "artifacts": {key: {"artifacts": entries} for key, entries in given.artifacts.items()},
        },
        "outputs": {
            "parameters": parameters,
            "artifacts": artifacts,
            "outputFile": f"/{place.replace('://', '/')}/output_metadata.json",
        },
    }


def executor_outputs(component: dict, answers: dict[str, Any], place: str, execution: int) -> Values:
    """What those after a task are given.

    Args:
        component: of the task.
        answers: its output parameters as far as they are known, by name.
        place: address below which its outputs went.
        execution: its number in KFP's store of metadata.

    Returns:
        Its outputs.
    """
    parameters = {}
    for key, definition in component.get("outputDefinitions", {}).get("parameters", {}).items():
        parameters[key] = answers.get(key, _TYPICAL.get(definition["parameterType"], _TYPICAL_TEXT))
    storage = to_go_json(_STORAGE)
    artifacts = {}
    for key in _artifact_types(component):
        metadata = {"display_name": key, "store_session_info": storage}
        artifacts[key] = [{"name": str(execution), "uri": f"{place}/{key}", "metadata": metadata}]
    return Values(parameters, artifacts)


def output_place(workflow: str, task: str, execution: int) -> str:
    """An address as KFP gives one to the outputs of a task.

    Args:
        workflow: name of the workflow.
        task: name of the task.
        execution: its number in KFP's store of metadata.

    Returns:
        The address.
    """
    run, salt = _uuid(workflow), _uuid(f"{workflow} {execution}")
    return f"minio://mlpipeline/v2/artifacts/{workflow.rpartition('-')[0]}/{run}/{task}/{salt}"


def _artifact_types(component: dict) -> dict[str, dict]:
    artifacts = component.get("outputDefinitions", {}).get("artifacts", {})
    logs = {"executor-logs": {"schemaTitle": "system.Artifact"}}
    return {**{key: definition["artifactType"] for key, definition in artifacts.items()}, **logs}


def _uuid(text: str) -> str:
    digits = sha256(text.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))
