"""Rules for built overlays: each yields the problems of the objects."""

import base64
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from kubernetes.utils import parse_quantity
from support.network_flows import flow_problems
from support.overlays import Pod, build, configuration, containers, found, pods

VOLUMES = {"configMap", "secret", "emptyDir", "projected", "persistentVolumeClaim", "downwardAPI"}
CLUSTER_WIDE = {"Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding"}


def pod_security(objects: list[dict]) -> Iterator[str]:
    """Pod Security's level `restricted` (kubernetes.io/docs/concepts/security/pod-security-standards)."""
    for pod in pods(objects):
        own = pod.spec.get("securityContext", {})
        if own.get("runAsNonRoot") is not True or own.get("runAsUser") == 0:
            yield f"{pod.name}: may run as root"
        if own.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{pod.name}: no seccomp profile"
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(key):
                yield f"{pod.name}: {key}"
        for volume in pod.spec.get("volumes", []):
            if not volume.keys() & VOLUMES:
                yield f"{pod.name}: volume {volume['name']} is of a kind that is not allowed"
        for container in pod.containers:
            context, who = container.get("securityContext", {}), f"{pod.name} {container['name']}"
            if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
                yield f"{who}: privileges"
            if context.get("capabilities", {}).get("drop") != ["ALL"] or context["capabilities"].get("add"):
                yield f"{who}: capabilities"
            if context.get("runAsNonRoot") is False or context.get("runAsUser") == 0:
                yield f"{who}: may run as root"
            if context.get("readOnlyRootFilesystem") is not True:
                yield f"{who}: can write to its own files"
            if any("hostPort" in port for port in container.get("ports", [])):
                yield f"{who}: port of the node"
    for namespace in found(objects, "Namespace"):
        if namespace["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"Namespace {namespace['metadata']['name']}: does not enforce `restricted`"


def images(objects: list[dict]) -> Iterator[str]:
    """An exact version, from a registry that is named."""
    for pod, container in containers(objects):
        name, _, tag = container["image"].rpartition(":")
        if not re.fullmatch(r"v?\d+(\.\d+)+(-(cpu|gpu))?", tag) or "/" not in name:
            yield f"{pod.name}: image {container['image']} is no exact version"


def resources(objects: list[dict]) -> Iterator[str]:
    """A request and a limit of each kind for every container."""
    for limits in found(objects, "LimitRange"):
        for one in limits["spec"]["limits"]:
            # Kubernetes makes the largest the default where none is given: every container would ask for it.
            for kind in one.get("max", {}).keys() - one.get("default", {}).keys():
                yield f"LimitRange {limits['metadata']['name']}: every container gets {one['max'][kind]} {kind}"
    for pod in pods(objects):
        for container in pod.containers:
            given = container.get("resources", {})
            requests, limits = given.get("requests", {}), given.get("limits", {})
            for kind in ("cpu", "memory", "ephemeral-storage"):
                if kind not in requests or kind not in limits:
                    yield f"{pod.name} {container['name']}: no request or no limit of {kind}"
            for kind in requests.keys() & limits.keys():
                if parse_quantity(requests[kind]) > parse_quantity(limits[kind]):
                    yield f"{pod.name} {container['name']}: is promised more {kind} than it may have"
        for volume in pod.spec.get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{pod.name}: volume {volume['name']} has no limit"


def rights(objects: list[dict]) -> Iterator[str]:
    """No wildcards, no right to give rights, Secrets only by name; a token only where there are rights."""
    accounts = {account["metadata"]["name"]: account for account in found(objects, "ServiceAccount")}
    bound = set()
    for role in (*found(objects, "Role"), *found(objects, "ClusterRole")):
        name = f"{role['kind']} {role['metadata']['name']}"
        for rule in role["rules"]:
            if "*" in (*rule["apiGroups"], *rule["resources"], *rule["verbs"]):
                yield f"{name}: wildcard"
            if {"escalate", "bind", "impersonate"} & set(rule["verbs"]):
                yield f"{name}: may take rights"
            if "secrets" in rule["resources"] and not rule.get("resourceNames"):
                yield f"{name}: all Secrets"
            # Kubernetes ignores names where there are none to compare with.
            if rule.get("resourceNames") and {"create", "list"} & set(rule["verbs"]):
                yield f"{name}: names do not limit {rule['verbs']}"
    for binding in (*found(objects, "RoleBinding"), *found(objects, "ClusterRoleBinding")):
        name, reference = binding["metadata"]["name"], binding["roleRef"]
        if not found(objects, reference["kind"], reference["name"]):
            yield f"{binding['kind']} {name}: there is no {reference['kind']} {reference['name']}"
        for subject in binding["subjects"]:
            if subject["kind"] != "ServiceAccount" or subject["name"] not in accounts:
                yield f"{binding['kind']} {name}: there is no {subject['kind']} {subject['name']}"
            bound.add(subject["name"])
    for pod in pods(objects):
        name = pod.spec.get("serviceAccountName")
        if name not in accounts:
            yield f"{pod.name}: there is no ServiceAccount {name}"
        elif mounts_token(pod, accounts[name]) != (name in bound and name != "palm-schedule"):
            # Rights of palm-schedule are asked for by Kubeflow Pipelines, which gets a token of its own.
            yield f"{pod.name}: a token without rights, or rights without a token"


def mounts_token(pod: Pod, account: dict) -> bool:
    return pod.spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))


def secrets(objects: list[dict]) -> Iterator[str]:
    """Every key that a pod reads is in the Secret, made here or by external-secrets, and in manifests/secrets."""
    applied = _secret_keys(objects)
    templates = _secret_keys(build("secrets"))
    for pod, name, key, optional in _read_secrets(objects):
        if optional:
            continue
        for where, known in (("here", applied), ("in manifests/secrets", templates)):
            if name not in known:
                yield f"{pod.name}: there is no Secret {name} {where}"
            elif key is not None and key not in known[name]:
                yield f"{pod.name}: Secret {name} has no key {key} {where}"
    for name in applied.keys() & templates.keys():
        if unknown := applied[name] - templates[name]:
            yield f"Secret {name}: {sorted(unknown)} are not in manifests/secrets"


def _secret_keys(objects: list[dict]) -> dict[str, set[str]]:
    keys = {
        one["metadata"]["name"]: {*one.get("data", {}), *one.get("stringData", {})} for one in found(objects, "Secret")
    }
    for one in found(objects, "ExternalSecret"):
        keys[one["spec"]["target"]["name"]] = {entry["secretKey"] for entry in one["spec"]["data"]}
    return keys


def _read_secrets(objects: list[dict]) -> Iterator[tuple[Pod, str, str | None, bool]]:
    for pod, container in containers(objects):
        for entry in container.get("envFrom", []):
            if "secretRef" in entry:
                yield pod, entry["secretRef"]["name"], None, entry["secretRef"].get("optional", False)
        for entry in container.get("env", []):
            if reference := entry.get("valueFrom", {}).get("secretKeyRef"):
                yield pod, reference["name"], reference["key"], reference.get("optional", False)
    for pod in pods(objects):
        for volume in pod.spec.get("volumes", []):
            if "secret" in volume:
                yield pod, volume["secret"]["secretName"], None, volume["secret"].get("optional", False)


def config_maps(objects: list[dict]) -> Iterator[str]:
    """Every ConfigMap that a pod reads is there, with the key."""
    keys = {one["metadata"]["name"]: set(one["data"]) for one in found(objects, "ConfigMap")}
    for pod in pods(objects):
        wanted = [
            (volume["configMap"]["name"], None) for volume in pod.spec.get("volumes", []) if "configMap" in volume
        ]
        for container in pod.containers:
            wanted += [(e["configMapRef"]["name"], None) for e in container.get("envFrom", []) if "configMapRef" in e]
            given = [entry.get("valueFrom", {}).get("configMapKeyRef") for entry in container.get("env", [])]
            wanted += [(reference["name"], reference["key"]) for reference in given if reference]
            variables = {entry["name"] for entry in container.get("env", [])}
            for entry in container.get("envFrom", []):
                variables |= keys.get(entry.get("configMapRef", {}).get("name"), set())
            words = " ".join([*container.get("command", []), *container.get("args", [])])
            if missing := set(re.findall(r"\$\((\w+)\)", words)) - variables:
                yield f"{pod.name} {container['name']}: nobody sets {sorted(missing)}"
        for name, key in wanted:
            if name not in keys or (key is not None and key not in keys[name]):
                yield f"{pod.name}: there is no ConfigMap {name} with {key or 'anything'}"


def addresses(objects: list[dict]) -> Iterator[str]:
    """Every address of this namespace is that of a Service, on a port that it has, of pods that listen there."""
    services = {service["metadata"]["name"]: service for service in found(objects, "Service")}
    for where, text in _texts(objects):
        for address in re.findall(r"\bhttps?://[\w.-]+(?::\d+)?", text):
            parts = urlsplit(address)
            if not parts.hostname or "." in parts.hostname or parts.hostname in ("localhost", "ml-pipeline"):
                continue
            ports = {port["port"] for port in services.get(parts.hostname, {"spec": {"ports": []}})["spec"]["ports"]}
            if (parts.port or 80) not in ports:
                yield f"{where}: {address} is no Service"
    for name, service in services.items():
        behind = [pod for pod in pods(objects) if service["spec"]["selector"].items() <= pod.labels.items()]
        ports = {
            port["name"]: port["containerPort"] for pod in behind for c in pod.containers for port in c.get("ports", [])
        }
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            if target not in ports and target not in ports.values():
                yield f"Service {name}: no pod listens on {target}"


def _texts(objects: list[dict]) -> Iterator[tuple[str, str]]:
    """Texts that may hold addresses."""
    for one in found(objects, "ConfigMap"):
        for key, text in one["data"].items():
            if not key.endswith((".json", ".crt")):
                yield f"ConfigMap {one['metadata']['name']} {key}", text
    for one in found(objects, "Secret"):
        for key, text in one.get("data", {}).items():
            yield f"Secret {one['metadata']['name']} {key}", base64.b64decode(text).decode()
    for pod, container in containers(objects):
        words = [*container.get("command", []), *container.get("args", [])]
        words += [entry.get("value", "") for entry in container.get("env", [])]
        yield pod.name, "\n".join(words)


def servers(objects: list[dict]) -> Iterator[str]:
    """A server has probes and priority over trainings; a disruption budget selects pods."""
    for pod in pods(objects):
        if pod.is_server:
            if missing := {"startupProbe", "readinessProbe", "livenessProbe"} - pod.spec["containers"][0].keys():
                yield f"{pod.name}: no {sorted(missing)}"
            if not found(objects, "PriorityClass", pod.spec.get("priorityClassName", "none")):
                yield f"{pod.name}: is placed like a task that trains"
            if not pod.owner["spec"]["selector"]["matchLabels"].items() <= pod.labels.items():
                yield f"{pod.name}: does not select its own pods"
    for budget in found(objects, "PodDisruptionBudget"):
        if not any(budget["spec"]["selector"]["matchLabels"].items() <= pod.labels.items() for pod in pods(objects)):
            yield f"PodDisruptionBudget {budget['metadata']['name']}: of no pods"


def places(objects: list[dict]) -> Iterator[str]:
    """All objects are in one namespace and marked as palm's; none is only for kustomize."""
    namespaces = set()
    for one in objects:
        name = f"{one['kind']} {one['metadata']['name']}"
        if one["kind"] not in CLUSTER_WIDE:
            namespaces.add(one["metadata"].get("namespace"))
        marked = one["metadata"].get("labels", {}).get("app.kubernetes.io/part-of")
        if one["kind"] == "Namespace":
            # Kubeflow's network policies know the namespace of a profile by its own value of this label.
            if marked is not None:
                yield f"{name}: takes the mark of a profile away"
        elif marked != "palm" and one["kind"] != "ConfigMap":
            yield f"{name}: is not marked as palm's"
        if one["metadata"]["name"] == "palm-site":
            yield f"{name}: would be applied"
    for pod in pods(objects):
        if pod.labels.get("app.kubernetes.io/part-of") != "palm":
            yield f"{pod.name}: its pods are not marked as palm's"
        # Injected in every namespace of a profile: it passes neither Pod Security nor the network policies.
        if pod.labels.get("sidecar.istio.io/inject") != "false":
            yield f"{pod.name}: its pods may get a sidecar"
    for binding in (*found(objects, "RoleBinding"), *found(objects, "ClusterRoleBinding")):
        namespaces |= {subject.get("namespace") for subject in binding["subjects"]}
    if len(namespaces) != 1 or None in namespaces:
        yield f"more than one namespace, or none: {namespaces}"


def gpus(objects: list[dict]) -> Iterator[str]:
    """The quota has room for the accelerators of all trainings of a run and of the pods here."""
    (quota,) = found(objects, "ResourceQuota")
    hard = {name.removeprefix("requests."): int(amount) for name, amount in quota["spec"]["hard"].items()}
    cluster = configuration(objects).cluster
    wanted = {cluster.training.accelerator: cluster.parallel * cluster.training.gpus}
    for pod, container in containers(objects):
        for kind, amount in container["resources"]["limits"].items():
            if "/" in kind:
                wanted[kind] = wanted.get(kind, 0) + int(amount) * pod.owner["spec"].get("replicas", 1)
    for kind, amount in wanted.items():
        if hard.get(kind, 0) < amount:
            yield f"ResourceQuota: {hard.get(kind, 'no')} {kind}, {amount} are needed"


_ALL = (pod_security, images, resources, rights, secrets, config_maps, addresses, servers, places, gpus, flow_problems)
POLICIES: dict[str, Callable[[list[dict]], Iterator[str]]] = {rule.__name__: rule for rule in _ALL}
