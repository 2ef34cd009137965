"""A stand-in for the API server of Kubeflow Pipelines, which cannot be installed here.

It keeps experiments, pipelines, versions, runs and recurring runs in memory. Every request and answer is checked by
the real API's document (Swagger 2.0). The rest follows the server's source (release 2.17): unique names, runs checked
against their pipeline's inputs, pages, filters; and a real backend: a recurring run owns the Workflows of its runs.
"""

import json
import re
import socket
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path

import yaml
from flask import Flask, Response, request
from jsonschema import ValidationError
from support.http_server import HttpServer
from support.kfp_document import operations

_TYPES = {"STRING": str, "STRUCT": dict, "LIST": list, "BOOLEAN": bool, "NUMBER_INTEGER": int, "NUMBER_DOUBLE": float}
_NEVER = "1970-01-01T00:00:00Z"
_ENDED = {"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"}
_RESOURCES = {
    "ExperimentService": "experiments",
    "PipelineService": "pipelines",
    "UploadPipelineVersion": "pipelines",
    "RunService": "runs",
    "RecurringRunService": "jobs",
}
_INHERITED = ("experiment_id", "pipeline_version_reference", "runtime_config", "service_account", "plugins_input")
_MLFLOW_INPUT = {"experiment_name": str, "experiment_id": str, "disabled": bool}


class Refused(Exception):
    def __init__(self, status: int, code: int, message: str):
        super().__init__(message)
        self.status, self.body = status, {"code": code, "message": message, "details": []}


class KfpStandIn(HttpServer):
    """The server."""

    # Bearer token that is accepted; None: no token is needed, as for the open paths.
    token: str | None = None
    open_paths: tuple[str, ...] = ()
    page_to_sign_in = False
    # Whether it serves several namespaces, and what the caller may then do, as in a Role; None: everything.
    multi_user = False
    rights: set[tuple[str, str]] | None = None
    # Number of the request, from 0, at which the server is gone; whether it handles that one and answers the next ones.
    dies_at: int | None = None
    loses_answer = False
    comes_back = False
    # Number of requests that it does not answer.
    gone_for = 0

    def __init__(self, document: Path):
        # Method and path of every handled request, and breaches of the document.
        self.requests: list[str] = []
        self.violations: list[str] = []
        # Called with the number of every handled request, before it is answered.
        self.on_request = lambda number: None
        self.experiments: dict[str, dict] = {}
        self.pipelines: dict[str, dict] = {}
        self.versions: dict[str, dict] = {}
        self.runs: dict[str, dict] = {}
        self.recurring_runs: dict[str, dict] = {}
        # Runs whose Workflow was removed while they ran: no end is reported.
        self.interrupted: set[str] = set()
        self._lock = threading.Lock()
        self._seen = 0
        super().__init__(self._app(document))

    def revive(self) -> None:
        """Be there again after `dies_at`."""
        self.dies_at, self._seen, self.requests = None, 0, []

    def end_run(self, run_id: str, state: str, message: str = "", *, seconds: float = 1.0) -> None:
        """End a run as the cluster would; a run without a Workflow never ends."""
        if run_id in self.interrupted:
            return
        run = self.runs[run_id]
        ended = datetime.fromisoformat(run["created_at"]).timestamp() + seconds
        self._report(run, state)
        run |= {"finished_at": _time(datetime.fromtimestamp(ended, UTC))}
        if message:
            run["error"] = {"code": 13, "message": message, "details": []}

    @staticmethod
    def _report(run: dict, state: str) -> None:
        """Report a state as the persistence agent does: CANCELING first, even if the run then ends as failed."""
        history = run.setdefault("state_history", [])
        for reported in (*(["CANCELING"] if run["state"] == "CANCELING" else []), state):
            history.append({"update_time": _now(), "state": reported})
        run["state"] = state

    def fire(self, recurring_run_id: str) -> str | None:
        """Start a run as the controller does at the time of a schedule; returns its id, or None if it may not start."""
        recurring = self.recurring_runs[recurring_run_id]
        running = self._running(recurring_run_id)
        if recurring["status"] != "ENABLED" or len(running) >= int(recurring["max_concurrency"]):
            return None
        run = {key: recurring[key] for key in _INHERITED if key in recurring}
        made = self.RunService_CreateRun({"run": {**run, "display_name": f"{recurring['display_name']}-run"}})
        made |= {"state": "RUNNING", "recurring_run_id": recurring_run_id}
        return made["run_id"]

    # Handlers, named as the document's operations.

    def HealthzService_GetHealthz(self, given):
        return {"multi_user": self.multi_user, "pipeline_store": "database"}

    def ExperimentService_ListExperiments(self, given):
        return _page(self._visible(self.experiments, given), given, "experiments")

    def ExperimentService_CreateExperiment(self, given):
        return _add(self.experiments, "experiment_id", given["experiment"], {"storage_state": "AVAILABLE"})

    def PipelineService_ListPipelines(self, given):
        return _page(self._visible(self.pipelines, given), given, "pipelines")

    def PipelineService_CreatePipeline(self, given):
        return _add(self.pipelines, "pipeline_id", given["pipeline"], {})

    def PipelineService_ListPipelineVersions(self, given):
        versions = [entry for entry in self.versions.values() if entry["pipeline_id"] == given["pipeline_id"]]
        return _page(versions, given, "pipeline_versions")

    def UploadPipelineVersion(self, given):
        _need(self.pipelines, given["pipelineid"], "Pipeline")
        name = given["name"]
        same = [entry for entry in self.versions.values() if entry["pipeline_id"] == given["pipelineid"]]
        if name in [entry["name"] for entry in same]:
            raise Refused(409, 6, f"Pipeline version {name} already exists")
        spec, *_ = yaml.safe_load_all(given["uploadfile"])
        version = {"pipeline_id": given["pipelineid"], "name": name, "display_name": name, "pipeline_spec": spec}
        return _add(self.versions, "pipeline_version_id", version, {}, unique=False)

    def RunService_CreateRun(self, given):
        run = given["run"]
        self._check_runnable(run)
        made = {"state": "PENDING", "storage_state": "AVAILABLE", "finished_at": _NEVER, "scheduled_at": _now()}
        return _add(self.runs, "run_id", run, made, unique=False)

    def RunService_GetRun(self, given):
        return _need(self.runs, given["run_id"], "Run")

    def RunService_ListRuns(self, given):
        return _page(self._visible(self.runs, given), given, "runs")

    def RunService_TerminateRun(self, given):
        run = _need(self.runs, given["run_id"], "Run")
        if run["state"] in _ENDED:
            raise Refused(400, 3, f"Failed to terminate a run {given['run_id']}. Row not found")
        run["state"] = "CANCELING"  # The history has it with the next report.
        return {}

    def RecurringRunService_CreateRecurringRun(self, given):
        run = given["recurring_run"]
        self._check_runnable(run)
        if not 1 <= int(run.get("max_concurrency", 0)) <= 10:
            raise Refused(400, 3, "The max concurrency of the recurring run is out of range. Support 1-10.")
        status = "ENABLED" if run["mode"] == "ENABLE" else "DISABLED"
        return _add(self.recurring_runs, "recurring_run_id", run, {"status": status}, unique=False)

    def RecurringRunService_ListRecurringRuns(self, given):
        return _page(self._visible(self.recurring_runs, given), given, "recurringRuns")

    def RecurringRunService_DeleteRecurringRun(self, given):
        identity = given["recurring_run_id"]
        _need(self.recurring_runs, identity, "Recurring run")
        del self.recurring_runs[identity]
        # Kubernetes removes what the recurring run owns, running or not, unless it is orphaned.
        if given.get("propagation_policy") != "ORPHAN":
            self.interrupted |= self._running(identity)
        return {}

    def _running(self, recurring_run_id: str) -> set[str]:
        """Runs of a recurring run that have not ended."""
        started = [run for run in self.runs.values() if run.get("recurring_run_id") == recurring_run_id]
        return {run["run_id"] for run in started if run["state"] not in _ENDED}

    def RecurringRunService_EnableRecurringRun(self, given):
        return self._switch(given, "ENABLE")

    def RecurringRunService_DisableRecurringRun(self, given):
        return self._switch(given, "DISABLE")

    def _switch(self, given: dict, mode: str) -> dict:
        recurring = _need(self.recurring_runs, given["recurring_run_id"], "Recurring run")
        recurring |= {"mode": mode, "status": f"{mode}D"}
        return {}

    def _visible(self, entries: dict[str, dict], given: dict) -> list[dict]:
        """Entries of an experiment or of a namespace, which must be named if there are several."""
        found = list(entries.values())
        if given.get("experiment_id"):
            return [entry for entry in found if entry["experiment_id"] == given["experiment_id"]]
        if not self.multi_user:
            return found
        if not given.get("namespace"):
            raise Refused(400, 3, "Namespace is empty")
        return [entry for entry in found if self._namespace(entry) == given["namespace"]]

    def _namespace(self, entry: dict) -> str | None:
        return entry.get("namespace") or self.experiments.get(entry.get("experiment_id"), {}).get("namespace")

    def _check_runnable(self, run: dict) -> None:
        """Check that a run's version exists and has its parameters as inputs."""
        if not run.get("display_name"):
            raise Refused(400, 3, "The name is empty")
        _check_mlflow_input(run.get("plugins_input", {}).get("mlflow", {}))
        _need(self.experiments, run["experiment_id"], "Experiment")
        version = _need(self.versions, run["pipeline_version_reference"]["pipeline_version_id"], "Pipeline version")
        inputs = version["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]
        parameters = run["runtime_config"].get("parameters", {})
        for name, value in parameters.items():
            if name not in inputs:
                raise Refused(400, 3, f"parameter {name} is not found in the pipeline")
            kind = inputs[name]["parameterType"]
            if not isinstance(value, _TYPES[kind]):
                raise Refused(400, 3, f"input parameter {name} requires type {kind}, but the value is {value!r}")
        for name, described in inputs.items():
            if name not in parameters and not described.get("isOptional") and "defaultValue" not in described:
                raise Refused(400, 3, f"parameter {name} is not optional, yet has neither default value nor a value")

    def _app(self, document: Path) -> Flask:
        app = Flask(__name__)
        app.before_request(self._gate)
        app.add_url_rule("/apis/v1beta1/healthz", "version", lambda: self._answered({"tag_name": "2.17.0"}))
        for operation in operations(document):
            handler = getattr(self, operation.name, None)
            if handler is not None:
                rule = operation.path.replace("{", "<").replace("}", ">")
                app.add_url_rule(rule, operation.name, self._view(operation, handler), methods=[operation.method])
        return app

    def _gate(self):
        """Checks before any request: is the server up, is the caller known?"""
        with self._lock:
            number, self._seen = self._seen, self._seen + 1
            gone, self.gone_for = self.gone_for > 0, max(0, self.gone_for - 1)
        if gone:
            return _hang_up()
        if self.dies_at is not None:
            gone_before, gone_since = number == self.dies_at and not self.loses_answer, number > self.dies_at
            if gone_before or (gone_since and not self.comes_back):
                return _hang_up()
        if self.page_to_sign_in:
            return Response("<html>Sign in</html>", content_type="text/html; charset=utf-8")
        request.number = number
        is_open = self.token is None or request.path in self.open_paths
        if not is_open and request.headers.get("authorization") != f"Bearer {self.token}":
            refused = Refused(401, 16, "Request header error: the token is expired")
            return self._answered(refused.body, refused.status)
        return None

    def _view(self, operation, handler):
        def view(**path):
            with self._lock:
                try:
                    given = operation.read(request, path)
                    self._authorize(operation.name)
                    status, body = 200, handler(given)
                except Refused as refused:
                    status, body = refused.status, refused.body
                except ValidationError as error:
                    self.violations.append(f"request {operation.name}: {error}")
                    status, body = 400, {"code": 3, "message": str(error)[:200], "details": []}
                self.requests.append(f"{request.method} {request.path}")
                try:
                    operation.check_answer(status, body)
                except ValidationError as error:
                    self.violations.append(f"answer {operation.name}: {error}")
            return self._answered(body, status)

        return view

    def _authorize(self, operation: str) -> None:
        """With several users the server asks Kubernetes for this right first."""
        service, _, method = operation.partition("_")
        resource = _RESOURCES.get(service)
        if self.rights is None or not self.multi_user or resource is None:
            return
        verb = re.match("[A-Z][a-z]+", method)[0].lower() if method else "create"
        if (resource, verb) not in self.rights:
            raise Refused(403, 7, f"User is not authorized with reason: (verb: {verb}, resource: {resource})")

    def _answered(self, body: dict, status: int = 200):
        self.on_request(request.number)
        if request.number == self.dies_at:
            return _hang_up()
        return Response(json.dumps(body), status, content_type="application/json")


def _page(entries: list[dict], given: dict, name: str) -> dict:
    for predicate in json.loads(given["filter"])["predicates"] if given.get("filter") else ():
        key = predicate["key"]
        if predicate["operation"] not in ("EQUALS", 1) or key not in ("display_name", "recurring_run_id"):
            raise Refused(400, 3, f"the stand-in knows no such predicate: {predicate}")
        entries = [entry for entry in entries if entry.get(key) == predicate["stringValue"]]
    key, _, order = (given.get("sort_by") or "created_at").partition(" ")
    entries = sorted(entries, key=lambda entry: entry[key], reverse=order == "desc")
    start = int(given.get("page_token") or 0)
    end = start + (given.get("page_size") or 20)
    page = {name: entries[start:end], "total_size": len(entries)}
    return page | ({"next_page_token": str(end)} if end < len(entries) else {})


def _check_mlflow_input(given: dict) -> None:
    """What the server's MLflow plugin takes, where an administrator has turned it on."""
    for key, value in given.items():
        if not isinstance(value, _MLFLOW_INPUT.get(key, ())):
            schema = "{experiment_name?: string, experiment_id?: string, disabled?: bool}"
            raise Refused(400, 3, f"plugins_input.mlflow must follow schema {schema}: {key}={value!r}")


def _add(entries: dict, key: str, wanted: dict, made: dict, *, unique: bool = True) -> dict:
    name = wanted.get("display_name") or wanted.get("name")
    rivals = [entry for entry in entries.values() if entry.get("namespace") == wanted.get("namespace")]
    if unique and name in [entry["display_name"] for entry in rivals]:
        raise Refused(409, 6, f"{name} already exists")
    entry = {**wanted, "display_name": name, key: str(uuid.uuid4()), "created_at": _now(), **made}
    entries[entry[key]] = entry
    return entry


def _need(entries: dict, identity: str, kind: str) -> dict:
    if identity not in entries:
        raise Refused(404, 5, f"{kind} {identity} not found")
    return entries[identity]


def _hang_up() -> Response:
    """End the connection without an answer, as a server does that is killed."""
    request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return Response(status=500)


def _now() -> str:
    return _time(datetime.now(UTC))


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
