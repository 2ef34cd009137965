"""A stand-in for the API server of Kubernetes: it answers the requests of `palm doctor`, `palm rollout` and `palm runs`
with the client's own models. Workflows and their pods have the names that Argo gives them. No controller runs: `settle`
sets the status that one would.
"""

import base64
import gzip
import json
from pathlib import Path

import yaml
from flask import Flask, Response, request
from kubernetes import client
from support.http_server import HttpServer


def write_kubeconfig(path: Path, server: str, *, namespace: str = "default") -> Path:
    """Write the configuration by which kubectl and the client find a server."""
    named = {
        "clusters": [{"name": "stand-in", "cluster": {"server": server}}],
        "users": [{"name": "stand-in", "user": {"token": "abc"}}],
        "contexts": [
            {"name": "stand-in", "context": {"cluster": "stand-in", "user": "stand-in", "namespace": namespace}}
        ],
    }
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "stand-in", **named}))
    return path


class KubernetesStandIn(HttpServer):
    """The server.

    Attributes:
        secrets, deployments: by namespace and name.
        workflows: by namespace.
        logs: of pods' main containers, by namespace and name.
        patches: the bodies of all patches of Deployments.
        forbidden: resources that nobody may read, e.g. ``pods``, or change, e.g. ``PATCH deployments``.
        expired: whether all credentials have expired.
    """

    def __init__(self):
        self.nodes: list[client.V1Node] = []
        self.pods: list[client.V1Pod] = []
        self.secrets: dict[tuple[str, str], client.V1Secret] = {}
        self.deployments: dict[tuple[str, str], client.V1Deployment] = {}
        self.workflows: dict[str, list[dict]] = {}
        self.logs: dict[tuple[str, str], str] = {}
        self.patches: list[dict] = []
        self.forbidden: set[str] = set()
        self.expired = False
        super().__init__(self._app())

    def add_node(self, name: str, *, labels=None, images=(), unschedulable=False, gpu: str = "") -> None:
        """Add a node with so many nvidia.com/gpu."""
        resources = {"cpu": "8", "memory": "64Gi"} | ({"nvidia.com/gpu": gpu} if gpu else {})
        held = [client.V1ContainerImage(names=[image]) for image in images]
        status = client.V1NodeStatus(allocatable=resources, images=held)
        spec = client.V1NodeSpec(unschedulable=unschedulable or None)
        self.nodes.append(client.V1Node(metadata=_named(name, labels=labels), spec=spec, status=status))

    def add_pod(self, name: str, node: str, gpus: str) -> None:
        requests = client.V1ResourceRequirements(requests={"nvidia.com/gpu": gpus})
        containers = [client.V1Container(name="main", resources=requests), client.V1Container(name="side")]
        spec = client.V1PodSpec(containers=containers, node_name=node)
        self.pods.append(client.V1Pod(metadata=_named(name), spec=spec))

    def add_secret(self, namespace: str, name: str, *keys: str) -> None:
        """Add a Secret whose values must not be shown."""
        data = dict.fromkeys(keys, "c2VjcmV0LXZhbHVl")
        self.secrets[namespace, name] = client.V1Secret(metadata=_named(name), data=data)

    def add_deployment(self, namespace: str, name: str, *, replicas: int) -> None:
        """Add a Deployment, all pods of which are available."""
        metadata = client.V1ObjectMeta(name=name, generation=1)
        template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels={"app": name}))
        selector = client.V1LabelSelector(match_labels={"app": name})
        spec = client.V1DeploymentSpec(replicas=replicas, selector=selector, template=template)
        self.deployments[namespace, name] = client.V1Deployment(metadata=metadata, spec=spec)
        self.settle(namespace, name, ready=replicas)

    def add_workflow(self, namespace: str, run_id: str, nodes: list[dict], *, compressed: bool = False) -> None:
        """Add a run's Workflow: nodes with ``name`` below the root, ``type``, ``phase``, and an optional ``log``."""
        workflow, kept = f"build-portfolio-{run_id[:5]}", {}
        for node in nodes:
            name = f"{workflow}(0).root(0).{node['name']}"
            template = "system-container-driver" if "-driver(" in name else "system-container-impl"
            number = _fnv(name)
            if "log" in node:
                self.logs[namespace, f"{workflow}-{template}-{number}"] = node["log"]
            described = {**node, "name": name, "id": f"{workflow}-{number}", "templateName": template}
            kept[described["id"]] = {key: value for key, value in described.items() if key != "log"}
        status = {"nodes": kept}
        if compressed:
            status = {"compressedNodes": base64.b64encode(gzip.compress(json.dumps(kept).encode())).decode()}
        metadata = {"name": workflow, "labels": {"pipeline/runid": run_id}}
        self.workflows.setdefault(namespace, []).append({"metadata": metadata, "status": status})

    def settle(self, namespace: str, name: str, *, ready: int, stuck: str = "") -> None:
        """Set the status after the last change: so many updated pods are available, or the rollout is stuck."""
        found = self.deployments[namespace, name]
        reason = "ProgressDeadlineExceeded" if stuck else "ReplicaSetUpdated"
        condition = client.V1DeploymentCondition(
            type="Progressing", status=str(not stuck), reason=reason, message=stuck
        )
        counts = {"replicas": found.spec.replicas, "updated_replicas": ready, "available_replicas": ready}
        found.status = client.V1DeploymentStatus(
            observed_generation=found.metadata.generation, conditions=[condition], **counts
        )

    def _patch_deployment(self, found: client.V1Deployment) -> None:
        assert request.content_type == "application/strategic-merge-patch+json", request.content_type
        self.patches.append(request.json)
        for metadata, patch in (
            (found.metadata, request.json["metadata"]),
            (found.spec.template.metadata, request.json["spec"]["template"]["metadata"]),
        ):
            metadata.annotations = {**(metadata.annotations or {}), **patch["annotations"]}
        found.metadata.generation += 1

    def _app(self) -> Flask:
        app = Flask(__name__)

        def missing(kind: str, name: str) -> client.V1Status:
            return self._status(404, "NotFound", f'{kind} "{name}" not found')

        def secret(namespace: str, name: str):
            return self.secrets.get((namespace, name)) or missing("secrets", name)

        def deployment(namespace: str, name: str):
            found = self.deployments.get((namespace, name))
            if found is not None and request.method == "PATCH":
                self._patch_deployment(found)
            return found or missing("deployments.apps", name)

        def workflows(namespace: str):
            key, _, value = request.args["labelSelector"].partition("=")
            found = [one for one in self.workflows.get(namespace, []) if one["metadata"]["labels"].get(key) == value]
            return {"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowList", "items": found}

        def log(namespace: str, name: str):
            if (namespace, name) not in self.logs:
                return missing("pods", name)
            assert request.args["container"] == "main"
            lines = self.logs[namespace, name].splitlines(keepends=True)
            return "".join(lines[-int(request.args["tailLines"]) :])

        for rule, resource, view in (
            ("/version/", None, _version),
            ("/api/v1/nodes", "nodes", lambda: client.V1NodeList(items=self.nodes)),
            ("/api/v1/pods", "pods", lambda: client.V1PodList(items=self.pods)),
            ("/api/v1/namespaces/<namespace>/secrets/<name>", "secrets", secret),
            ("/apis/argoproj.io/v1alpha1/namespaces/<namespace>/workflows", "workflows", workflows),
            ("/api/v1/namespaces/<namespace>/pods/<name>/log", "pods/log", log),
            ("/apis/apps/v1/namespaces/<namespace>/deployments/<name>", "deployments", deployment),
        ):
            app.add_url_rule(rule, rule, self._guarded(resource, view), methods=["GET", "PATCH"])
        return app

    def _guarded(self, resource: str | None, view):
        def guarded(**path):
            if self.expired:
                answer = self._status(401, "Unauthorized", "Unauthorized")
            elif {resource, f"{request.method} {resource}"} & self.forbidden:
                answer = self._status(403, "Forbidden", f'{resource} is forbidden: User "alice" cannot list {resource}')
            else:
                answer = view(**path)
            if isinstance(answer, str):
                return Response(answer, content_type="text/plain")
            body = client.ApiClient().sanitize_for_serialization(answer)
            return body, answer.code if isinstance(answer, client.V1Status) else 200

        return guarded

    @staticmethod
    def _status(code: int, reason: str, message: str) -> client.V1Status:
        return client.V1Status(code=code, reason=reason, message=message, status="Failure")


def _named(name: str, labels: dict | None = None) -> client.V1ObjectMeta:
    return client.V1ObjectMeta(name=name, labels=labels)


def _fnv(text: str) -> int:
    """The FNV-1a hash in Argo's names of nodes and pods."""
    number = 0x811C9DC5
    for byte in text.encode():
        number = (number ^ byte) * 0x01000193 % 2**32
    return number


def _version() -> client.VersionInfo:
    others = dict.fromkeys(("build_date", "compiler", "git_commit", "git_tree_state", "go_version", "platform"), "")
    return client.VersionInfo(git_version="v1.33.1", major="1", minor="33", **others)
