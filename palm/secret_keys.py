"""What is never in a configuration: credentials, and the addresses that go with them."""

MLFLOW_KEYS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
"""Those of PALM's MLflow server."""

SECRET_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
    *MLFLOW_KEYS,
    "HF_TOKEN",
)
"""Keys of the Secret that a run names, all optional; pods get them as environment variables (`task_variable`)."""


def task_variable(key: str) -> str:
    """Environment variable by which a task of a pipeline gets a key; everywhere else it is the key itself.

    Kubeflow Pipelines' MLflow plugin gives every task its own credentials under MLflow's names, and its launcher, in
    the same container, logs in with what is there.
    """
    return f"PALM_{key}" if key in MLFLOW_KEYS else key
