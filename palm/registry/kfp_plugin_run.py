"""A build's run in MLflow and the one that Kubeflow Pipelines' MLflow plugin keeps: each names the other."""

import os
from pathlib import Path

import requests

from palm.config.portfolio import Registry
from palm.progress import log
from palm.registry.kfp_plugin import PluginRun, plugin_run, run_page

_RUN, _LINK = "palm.kfp_mlflow_run_id", "palm.kfp_mlflow_run_url"
_TOKEN_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_SECONDS = 20


def plugin_tags() -> dict[str, str]:
    """Tags of a run of PALM's that name the plugin's run; none where the plugin is off."""
    plugin = plugin_run()
    return {_RUN: plugin.run, _LINK: plugin.link} if plugin else {}


def plugin_note() -> str:
    """One line of Markdown that leads to the plugin's run; empty where the plugin is off."""
    plugin = plugin_run()
    return f"Kubeflow Pipelines keeps [a run of its own]({plugin.link}), with one for each task." if plugin else ""


def tell_plugin(registry: Registry, *, experiment: str, run: str, build_id: str, version: str = "") -> None:
    """Name PALM's run, and the version that came out, in the plugin's run.

    The plugin's server is not PALM's to depend on: where it cannot be told, a warning says so and that is all.

    Args:
        registry: PALM's MLflow.
        experiment: id of PALM's experiment.
        run: id of PALM's run.
        build_id: names the build.
        version: of the registered model; empty: none came out.
    """
    plugin = plugin_run()
    if plugin is None:
        return
    tags = {"palm.build_id": build_id, "palm.run_id": run, "palm.experiment": registry.experiment}
    what = f"build {build_id}"
    if version:
        tags |= {"palm.model": registry.model, "palm.version": version}
        what = f"{registry.model} version {version}"
    if registry.tracking_uri.startswith("http"):
        tags["palm.run_url"] = run_page(registry.tracking_uri, experiment, run)
        what = f"[{what}]({tags['palm.run_url']})"
    # What MLflow shows as the run's description, where addresses can be followed.
    tags["mlflow.note.content"] = f"PALM: {what}"
    try:
        _log_tags(plugin, tags)
    except (requests.RequestException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        if isinstance(error, requests.exceptions.InvalidHeader):
            # It quotes the header: the token.
            reason = "its credentials cannot be sent"
        log.warning("the MLflow plugin's run at %s could not be told of PALM's run: %s", plugin.server, reason)


def _log_tags(plugin: PluginRun, tags: dict[str, str]) -> None:
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
