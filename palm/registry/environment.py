"""What MLflow's client reads from the environment, where Kubeflow Pipelines' MLflow plugin has written into it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from palm.config.pods import MLFLOW_KEYS, task_variable
from palm.registry.kfp_plugin import plugin_run

_ELSEWHERE = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")
"""Runs and experiments of others: PALM names its own."""
_LOGIN = (*MLFLOW_KEYS, "MLFLOW_TRACKING_AUTH")


@contextmanager
def own_environment(uri: str) -> Iterator[None]:
    """Show MLflow's client PALM's own credentials, and no run, experiment or log-in of the plugin.

    Where the plugin's server is PALM's and PALM has no credentials of its own, the plugin's log-in is good for both.

    Args:
        uri: PALM's MLflow.
    """
    plugin = plugin_run()
    own = {key: os.environ[task_variable(key)] for key in MLFLOW_KEYS if task_variable(key) in os.environ}
    hidden = list(_ELSEWHERE)
    if own or (plugin and not plugin.is_at(uri)):
        hidden += _LOGIN
    if plugin and not plugin.is_at(uri):
        hidden.append("MLFLOW_WORKSPACE")
    before = {key: os.environ.pop(key) for key in hidden if key in os.environ}
    os.environ.update(own)
    try:
        yield
    finally:
        for key in own:
            os.environ.pop(key, None)
        os.environ.update(before)
