"""The run that Kubeflow Pipelines' MLflow plugin keeps of a pipeline's run, as every task of it is told."""

import json
import logging
import os
from dataclasses import dataclass
from urllib.parse import quote

PLUGIN_VARIABLE = "KFP_MLFLOW_CONFIG"
"""Environment variable of the plugin, in every task of a run that it follows: JSON."""

log = logging.getLogger("palm")


@dataclass(frozen=True)
class PluginRun:
    """The plugin's run of the whole pipeline; below it there is one for each group and each task.

    Attributes:
        server: address of the plugin's MLflow, which need not be PALM's.
        experiment: id of its experiment.
        run: its id.
        workspace: MLflow workspace; empty: the server has none.
        login: how the plugin logs in: ``kubernetes``, ``bearer``, ``basic-auth`` or ``none``.
        trusted: whether the server's certificate is not looked at.
    """

    server: str
    experiment: str
    run: str
    workspace: str
    login: str
    trusted: bool

    @property
    def link(self) -> str:
        """Its page in MLflow's UI, as far as tasks know the address."""
        workspace = f"?workspace={quote(self.workspace.lower())}" if self.workspace else ""
        return f"{run_page(self.server, self.experiment, self.run)}{workspace}"

    def is_at(self, uri: str) -> bool:
        """Whether its server is the one at an address."""
        return self.server == uri.rstrip("/")


def plugin_run() -> PluginRun | None:
    """Read what the plugin says of its run.

    Returns:
        The run; None where the plugin is off, or says what nobody understands, which is logged.
    """
    told = os.environ.get(PLUGIN_VARIABLE)
    if not told:
        return None
    try:
        given = json.loads(told)
        return PluginRun(
            server=given["endpoint"].rstrip("/"),
            experiment=given["experimentId"],
            run=given["parentRunId"],
            workspace=given.get("workspace", ""),
            login=given["authType"],
            trusted=given.get("insecureSkipVerify", False),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read (%r); the plugin's run is left alone", PLUGIN_VARIABLE, error)
        return None


def plugin_link() -> str | None:
    """Page of the plugin's run; None where the plugin is off."""
    run = plugin_run()
    return run.link if run else None


def run_page(server: str, experiment: str, run: str) -> str:
    """Address of a run's page in the UI of an MLflow server."""
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs/{run}"
