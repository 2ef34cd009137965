"""Stand-in for KFP 2.17's MLflow plugin, before a task starts: runs at a real server, and variables.

After backend/src/apiserver/plugins/mlflow/handler.go (`OnBeforeRunCreation`) and
backend/src/v2/common/plugins/mlflow/handler.go (`OnTaskStart`, `RetrieveUserContainerEnvVars`).
"""

import json
import time

import requests

CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
KFP_RUN = "0c5a6f6e-3f34-4b9e-8f5b-6f0a3c2f1d11"


class KfpPlugin:
    """The plugin in one pipeline run, at the task register-portfolio.

    Args:
        server: address of its MLflow.
        login: ``kubernetes`` (the default of an installation), ``basic-auth`` or ``none``.
        user: name and password at the server; only `basic-auth` passes them to tasks.
    """

    def __init__(self, server: str, *, login: str, user: tuple[str, str] | None = None):
        self.server, self._login, self._user = server, login, user
        self.experiment = self._experiment("KFP-Default")
        self.root = self._create_run("nightly", {"kfp.pipeline_run_id": KFP_RUN})
        self.task = self._create_run("register-portfolio", {"mlflow.parentRunId": self.root})

    def variables(self) -> dict[str, str]:
        """Variables that the plugin sets for the task."""
        workspaces = self._login == "kubernetes"
        settings = {
            "endpoint": self.server,
            **({"workspacesEnabled": True, "workspace": "team"} if workspaces else {}),
            "parentRunId": self.root,
            "experimentId": self.experiment,
            "authType": self._login,
            "timeout": "30s",
            "injectUserEnvVars": True,
        }
        given = {
            "KFP_MLFLOW_CONFIG": json.dumps(settings),
            "MLFLOW_RUN_ID": self.task,
            "MLFLOW_TRACKING_URI": self.server,
            "MLFLOW_EXPERIMENT_ID": self.experiment,
        }
        if workspaces:
            given |= {"MLFLOW_WORKSPACE": "team", "MLFLOW_TRACKING_AUTH": "kubernetes-namespaced"}
        if self._login == "basic-auth":
            given |= dict(zip(CREDENTIALS, self._user, strict=False))
        return given

    def runs(self) -> dict[str, dict]:
        """All runs of the server that it may see: id to MLflow's JSON."""
        found = self.ask("post", "runs/search", experiment_ids=[self.experiment], max_results=100)
        return {run["info"]["run_id"]: run for run in found.get("runs", [])}

    def tags(self) -> dict[str, str]:
        return {tag["key"]: tag["value"] for tag in self.runs()[self.root]["data"]["tags"]}

    def ask(self, method: str, path: str, **body) -> dict:
        address = f"{self.server}/api/2.0/mlflow/{path}"
        answer = requests.request(method, address, json=body, auth=self._user, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def _experiment(self, name: str) -> str:
        found = self.ask("post", "experiments/search", filter=f"name = '{name}'", max_results=1)
        known = [entry["experiment_id"] for entry in found.get("experiments", [])]
        return known[0] if known else self.ask("post", "experiments/create", name=name)["experiment_id"]

    def _create_run(self, name: str, tags: dict[str, str]) -> str:
        run = {"experiment_id": self.experiment, "run_name": name, "start_time": int(time.time() * 1000)}
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        return self.ask("post", "runs/create", **run, tags=listed)["run"]["info"]["run_id"]
