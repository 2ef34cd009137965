"""Run of Kubeflow Pipelines' MLflow plugin: its description in every task, and links between it and PALM's run."""

import json
import logging
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

import requests

from palm.config.portfolio import Registry

PLUGIN_VARIABLE = "KFP_MLFLOW_CONFIG"
"""Environment variable of the plugin, in every task of a run that it follows: JSON."""
_RUN, _LINK = "palm.kfp_mlflow_run_id", "palm.kfp_mlflow_run_url"
_TOKEN_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_SECONDS = 20

log = logging.getLogger("palm")


@dataclass(frozen=True)
class PluginRun:
    """The plugin's run of the whole pipeline; below it there is one for each group and each task.

    Attributes:
        server: address of the plugin's MLflow, which need not be PALM's.
        experiment, run: ids.
        workspace: MLflow workspace; empty: the server has none.
        login: how the plugin logs in: ``kubernetes``, ``bearer``, ``basic-auth`` or ``none``.
        trusted: whether the server's certificate is not checked.
    """

    server: str
    experiment: str
    run: str
    workspace: str
    login: str
    trusted: bool

    @property
    def link(self) -> str:
        """Its page in MLflow's UI, under the address that tasks use."""
        workspace = f"?workspace={quote(self.workspace.lower())}" if self.workspace else ""
        return f"{_run_page(self.server, self.experiment, self.run)}{workspace}"

    def is_at(self, uri: str) -> bool:
        """Whether its server is the one at an address."""
        return self.server == uri.rstrip("/")


def plugin_run() -> PluginRun | None:
    """The plugin's run; None if the plugin is off, or if its variable cannot be read, which is logged."""
    text = os.environ.get(PLUGIN_VARIABLE)
    return _plugin_run(text) if text else None


@cache
def _plugin_run(text: str) -> PluginRun | None:
    try:
        given = json.loads(text)
        return PluginRun(
            server=given["endpoint"].rstrip("/"),
            experiment=given["experimentId"],
            run=given["parentRunId"],
            workspace=given.get("workspace", ""),
            login=given["authType"],
            trusted=given.get("insecureSkipVerify", False),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read (%r); the plugin's run is not used", PLUGIN_VARIABLE, error)
        return None


def plugin_link() -> str | None:
    """Page of the plugin's run; None if the plugin is off."""
    run = plugin_run()
    return run.link if run else None


def plugin_tags() -> dict[str, str]:
    """Tags of PALM's runs that name the plugin's run; none if the plugin is off."""
    plugin = plugin_run()
    return {_RUN: plugin.run, _LINK: plugin.link} if plugin else {}


def plugin_note() -> str:
    """One line of Markdown that leads to the plugin's run; empty if the plugin is off."""
    link = plugin_link()
    return f"Kubeflow Pipelines keeps [a run of its own]({link}), with one for each task." if link else ""


def link_plugin_run(registry: Registry, *, experiment: str, run: str, build_id: str, version: str = "") -> None:
    """Name PALM's run, and the version if one was registered, in the plugin's run; a failure is logged only."""
    plugin = plugin_run()
    if plugin is None:
        return
    tags = {"palm.build_id": build_id, "palm.run_id": run, "palm.experiment": registry.experiment}
    what = f"build {build_id}"
    if version:
        tags |= {"palm.model": registry.model, "palm.version": version}
        what = f"`{registry.model}` version {version}"
    if registry.tracking_uri.startswith("http"):
        tags["palm.run_url"] = _run_page(registry.tracking_uri, experiment, run)
        what = f"[{what}]({tags['palm.run_url']})"
    # MLflow shows this as the run's description, with links.
    tags["mlflow.note.content"] = f"PALM: {what}"
    try:
        _log_tags(plugin, tags)
    except (requests.RequestException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        if isinstance(error, requests.exceptions.InvalidHeader):
            # It quotes the header: the token.
            reason = "its credentials cannot be sent"
        log.warning("the run of the MLflow plugin at %s cannot be linked to PALM's run: %s", plugin.server, reason)


def _run_page(server: str, experiment: str, run: str) -> str:
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs/{run}"


def _log_tags(plugin: PluginRun, tags: dict[str, str]) -> None:
    # Not through MLflow's client, which in this process has PALM's address and credentials.
    answer = requests.post(
        f"{plugin.server}/api/2.0/mlflow/runs/log-batch",
        json={"run_id": plugin.run, "tags": [{"key": key, "value": value} for key, value in tags.items()]},
        headers=_headers(plugin),
        auth=_basic(plugin),
        verify=not plugin.trusted,
        timeout=_SECONDS,
        # A redirection leads to a form to log in.
        allow_redirects=False,
    )
    if answer.status_code != 200:
        raise requests.HTTPError(f"{answer.status_code} {answer.text[:100]}")


def _headers(plugin: PluginRun) -> dict[str, str]:
    headers = {"X-MLflow-Workspace": plugin.workspace} if plugin.workspace else {}
    if plugin.login == "kubernetes":
        headers["Authorization"] = f"Bearer {_TOKEN_FILE.read_text().strip()}"
    if plugin.login == "bearer":
        headers["Authorization"] = f"Bearer {os.environ.get('MLFLOW_TRACKING_TOKEN', '').strip()}"
    return headers


def _basic(plugin: PluginRun) -> tuple[str, str] | None:
    if plugin.login != "basic-auth":
        return None
    return os.environ.get("MLFLOW_TRACKING_USERNAME", ""), os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
