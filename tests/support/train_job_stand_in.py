"""A stand-in for the Kubernetes API and the controller of Kubeflow Trainer.

It refuses a TrainJob that the real CRD refuses, and runs the nodes of a TrainJob as processes of this machine, with the
container's command and environment and the variables PET_… of Trainer's torch plugin. Nodes are not restarted, as by a
runtime with ``backoffLimit: 0``.
"""

import os
import signal
import socket
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask, Response, request
from support.custom_resources import CustomResource
from support.http_server import HttpServer

NAMESPACE = "team"
NODES = {
    "nodes": 2,
    "image": "localhost/palm:0.1.0-gpu",
    "accelerator": None,
    "cpu": "1",
    "memory": "2Gi",
    "secret": "credentials-of-the-team",
}
"""Section `training.train_job` of a configuration whose nodes the stand-in runs."""

RUNTIMES = {("ClusterTrainingRuntime", "torch-distributed")}
KEPT = ("HOME", "OMP_NUM_THREADS", "PYTHONPATH")
"""Variables of this process that the processes of a node need to import this project."""


class Refused(Exception):
    def __init__(self, code: int, reason: str, message: str, name: str):
        details = {"name": name, "kind": "trainjobs"}
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
        self.answer = {**body, "details": details, "code": code}, code


class Node:
    """A pod of a TrainJob: a process, or nothing where no machine can take it."""

    def __init__(self, pod: str, process: subprocess.Popen | None, log: Path):
        self.pod, self.process, self.log = pod, process, log
        self.finished_at = None

    @property
    def exit_code(self) -> int | None:
        code = None if self.process is None else self.process.poll()
        if code is not None and self.finished_at is None:
            self.finished_at = now()
        return code

    def to_json(self, job: str) -> dict:
        if self.process is None:
            message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
            status = {"phase": "Pending", "conditions": [condition]}
        elif (code := self.exit_code) is None:
            status = {"phase": "Running", "containerStatuses": [container({"running": {"startedAt": now()}})]}
        else:
            ended = {"exitCode": code % 256, "finishedAt": self.finished_at, "reason": "Completed"}
            phase = "Failed" if code else "Succeeded"
            status = {"phase": phase, "containerStatuses": [container({"terminated": ended})]}
        labels = {"jobset.sigs.k8s.io/jobset-name": job}
        return {"metadata": {"name": self.pod, "namespace": NAMESPACE, "labels": labels}, "status": status}


class Job:
    def __init__(self, manifest: dict, nodes: list[Node]):
        self.nodes = nodes
        added = {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        self.object = {**manifest, "metadata": {**manifest["metadata"], **added}}

    def stop(self) -> None:
        for node in self.nodes:
            if node.process is not None and node.exit_code is None:
                node.process.send_signal(signal.SIGTERM)

    @property
    def stopped(self) -> bool:
        return all(node.process is None or node.exit_code is not None for node in self.nodes)

    def to_json(self) -> dict:
        codes = [node.exit_code for node in self.nodes]
        conditions = []
        if all(code == 0 for code in codes):
            conditions = [condition("Complete", "AllJobsCompleted", "jobset completed successfully")]
        elif any(code for code in codes):
            conditions = [condition("Failed", "FailedJobs", "jobset failed due to one or more job failures")]
            self.stop()
        return {**self.object, "status": {"conditions": conditions}} if conditions else self.object


class TrainJobStandIn(HttpServer):
    """The server.

    Args:
        folder: for logs.
        secrets: name to keys and values.
    """

    def __init__(self, folder: Path, secrets: dict[str, dict[str, str]]):
        self.folder, self.secrets = folder, secrets
        self.kind = CustomResource("trainer.kubeflow.org_trainjobs.yaml")
        self.schedulable = True
        self.jobs: dict[str, Job] = {}
        self.created: list[Job] = []
        self.pods: dict[str, dict] = {}
        # One request at a time, so that nothing needs a lock.
        super().__init__(self._app(), threaded=False)

    def __exit__(self, *error):
        super().__exit__(*error)
        for job in self.created:
            for node in job.nodes:
                if node.process is not None and node.process.poll() is None:
                    os.killpg(node.process.pid, signal.SIGKILL)
                    node.process.wait()

    def _app(self) -> Flask:
        app = Flask(__name__)
        jobs = f"/apis/{self.kind.group}/{self.kind.version}/namespaces/{NAMESPACE}/{self.kind.plural}"
        pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
        app.before_request(self._remove_stopped)
        app.errorhandler(Refused)(lambda refused: refused.answer)
        app.post(jobs)(self._create)
        app.get(f"{jobs}/<name>", endpoint="job")(lambda name: self._job(name).to_json())
        app.delete(f"{jobs}/<name>")(self._delete)
        app.get(pods)(self._list_pods)
        app.get(f"{pods}/<name>")(self._pod)
        app.get(f"{pods}/<pod>/log")(self._log)
        return app

    def _remove_stopped(self) -> None:
        for name, job in list(self.jobs.items()):
            if "deletionTimestamp" in job.object["metadata"] and job.stopped:
                del self.jobs[name]

    def _job(self, name: str) -> Job:
        if name not in self.jobs:
            raise Refused(404, "NotFound", f'trainjobs.trainer.kubeflow.org "{name}" not found', name)
        return self.jobs[name]

    def _create(self) -> dict:
        assert request.args.get("fieldValidation") == "Strict", "else the API server drops what it does not know"
        manifest = request.get_json()
        name = manifest["metadata"]["name"]
        problems = [*self.kind.problems(manifest), *_webhook(manifest["spec"])]
        if problems:
            raise Refused(422, "Invalid", f'TrainJob "{name}" is invalid: {"; ".join(problems)}', name)
        if name in self.jobs:
            raise Refused(409, "AlreadyExists", f'trainjobs.trainer.kubeflow.org "{name}" already exists', name)
        self.jobs[name] = Job(manifest, self._start_nodes(name, manifest["spec"]["trainer"]))
        self.created.append(self.jobs[name])
        return self.jobs[name].to_json()

    def _start_nodes(self, name: str, trainer: dict) -> list[Node]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        nodes = []
        for rank in range(trainer["numNodes"]):
            log = self.folder / f"{name}-{len(self.created)}-{rank}.log"
            # As Trainer's torch plugin does; its host is the first pod's name in DNS, its port always 29500.
            variables = {
                "PET_NNODES": str(trainer["numNodes"]),
                "PET_NPROC_PER_NODE": str(trainer["numProcPerNode"]),
                "PET_NODE_RANK": str(rank),
                "PET_MASTER_ADDR": "127.0.0.1",
                "PET_MASTER_PORT": str(port),
            }
            process = self._run(trainer, variables, log) if self.schedulable else None
            nodes.append(Node(f"{name}-node-0-{rank}-{uuid.uuid4().hex[:5]}", process, log))
        return nodes

    def _run(self, trainer: dict, variables: dict, log: Path) -> subprocess.Popen:
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment["PATH"] = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        for entry in trainer["env"]:
            if "value" in entry:
                environment[entry["name"]] = entry["value"]
                continue
            source = entry["valueFrom"]["secretKeyRef"]
            value = self.secrets.get(source["name"], {}).get(source["key"])
            assert value is not None or source["optional"], f"{source} would keep the pod from starting"
            if value is not None:
                environment[entry["name"]] = value
        command = [*trainer["command"], *trainer.get("args", [])]
        with log.open("w") as stream:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env={**environment, **variables},
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _delete(self, name: str) -> dict:
        job, policy = self._job(name), request.args.get("propagationPolicy")
        assert policy == "Foreground", "else the TrainJob is gone before its pods are"
        job.object["metadata"].setdefault("deletionTimestamp", now())
        job.stop()
        return job.to_json()

    def _list_pods(self) -> dict:
        label, _, name = request.args["labelSelector"].partition("=")
        assert label == "jobset.sigs.k8s.io/jobset-name"
        nodes = self.jobs[name].nodes if name in self.jobs else []
        return {"kind": "PodList", "apiVersion": "v1", "items": [node.to_json(name) for node in nodes]}

    def _pod(self, name: str) -> dict:
        if name not in self.pods:
            raise Refused(404, "NotFound", f'pods "{name}" not found', name)
        return self.pods[name]

    def _log(self, pod: str) -> Response:
        node = next(node for job in self.jobs.values() for node in job.nodes if node.pod == pod)
        assert request.args["container"] == "node" and request.args.get("previous", "false").lower() == "false"
        lines = node.log.read_text().splitlines()[-int(request.args["tailLines"]) :]
        return Response("\n".join(lines), mimetype="text/plain")


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(kind: str, reason: str, message: str) -> dict:
    return {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now()}


def container(state: dict) -> dict:
    common = {"name": "node", "image": "i", "imageID": "i", "ready": False, "restartCount": 0}
    return {**common, "state": state, "lastState": {}}


def _webhook(spec: dict) -> list[str]:
    """The checks of Trainer's admission webhook, beyond the CRD, that concern these TrainJobs."""
    runtime = spec["runtimeRef"]
    found = []
    if (runtime["kind"], runtime["name"]) not in RUNTIMES:
        found.append(f"spec.runtimeRef: {runtime['kind']} {runtime['name']!r} not found")
    reserved = [entry["name"] for entry in spec["trainer"]["env"] if entry["name"].startswith("PET_")]
    if reserved:
        found.append(f"spec.trainer.env: must not have reserved envs, invalid envs configured: {reserved}")
    for patch in spec.get("runtimePatches", []):
        for job in patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]:
            containers = job["template"]["spec"]["template"]["spec"]["containers"]
            if job["name"] != "node" or any(entry["name"] != "node" or "env" in entry for entry in containers):
                found.append("spec.runtimePatches: must patch the job and container named node, without envs")
    return found
