"""Variables by which somebody else's settings would move PALM's work to another MLflow, run, hub or cluster."""

import mlflow.environment_variables as mlflow_variables

_ACCESS = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_HTTP_",
    "MLFLOW_S3_",
    "MLFLOW_SQLALCHEMYSTORE_",
    # How MLflow itself reports and logs, from its import on.
    "MLFLOW_DISABLE_TELEMETRY",
    "_MLFLOW_TELEMETRY",
    "_MLFLOW_TESTING_TELEMETRY",
    "MLFLOW_CONFIGURE_LOGGING",
    "MLFLOW_LOGGING_LEVEL",
)
"""How MLflow is reached: the user's own settings, which are no attack."""


def hostile_mlflow(other: str) -> dict[str, str]:
    """Every variable that MLflow knows of, except access; each address is another MLflow's."""
    found = {}
    for entry in vars(mlflow_variables).values():
        name = getattr(entry, "name", "")
        if isinstance(name, str) and name.lstrip("_").startswith("MLFLOW_") and not name.startswith(_ACCESS):
            found[name] = _value(entry, other)
    # As Kubeflow Pipelines' MLflow plugin sets them in every task.
    return found | {"MLFLOW_RUN_ID": "0" * 32, "MLFLOW_EXPERIMENT_ID": "77", "MLFLOW_WORKSPACE": "elsewhere"}


def hostile_others() -> dict[str, str]:
    """Variables of the model hub, of boto3 and of the client of Kubeflow Pipelines that name another place."""
    nowhere = "http://127.0.0.1:9"
    return {
        "HF_ENDPOINT": nowhere,
        "HF_HOME": "/nowhere/huggingface",
        "HF_HUB_OFFLINE": "1",
        "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL": nowhere,
        "AWS_REGION": "nowhere-1",
        "KF_PIPELINES_ENDPOINT": nowhere,
        "KF_PIPELINES_UI_ENDPOINT": nowhere,
        "KF_PIPELINES_DEFAULT_EXPERIMENT_NAME": "elsewhere",
        "KF_PIPELINES_OVERRIDE_EXPERIMENT_NAME": "elsewhere",
    }


def _value(entry, other: str) -> str:
    if entry.type is bool:
        return str(not entry.default).lower()
    if entry.type in (int, float):
        return "1"
    return other if entry.name.endswith("_URI") else "elsewhere"
