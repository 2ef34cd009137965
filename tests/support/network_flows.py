"""Connections that the network policies allow, against those that the pods need."""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from support.overlays import Pod, found, pods

from palm.config.pods import NODE_LABELS, TASK_LABELS

STORES = {"mlflow", "s3"}
NEEDS = {
    "schedule": {*STORES, "kfp"},
    "doctor": {*STORES, "kfp", "kubernetes"},
    "smoke": {*STORES, "kfp", "kubernetes"},
    "gc": STORES,
    "exporter": STORES,
    "pull": STORES,
    "rollout": {"mlflow", "kubernetes"},
    "init": set(),
}
"""What the commands of palm talk to."""
S3_PORT, API_PORTS, KFP_PORTS = 443, (443, 6443), (8887, 8888, 8080, 9000, 8333)


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod with a namespace, labels and named ports, or an address outside."""

    name: str
    namespace: str | None = None
    labels: dict = field(default_factory=dict, hash=False)
    ports: dict = field(default_factory=dict, hash=False)
    address: str | None = None
    needs: frozenset = frozenset()


def flow_problems(objects: list[dict]) -> Iterator[str]:
    """Needed connections that are blocked, and allowed connections that nothing needs."""
    ends = _ends(objects)
    needed, let_through = set(_needed(objects, ends)), set(_let_through(objects, ends))
    for source, destination, port in sorted(needed - let_through):
        yield f"{source} cannot reach {destination}:{port}"
    for source, destination, port in sorted(let_through - needed):
        yield f"{source} can reach {destination}:{port} and need not"


def _ends(objects: list[dict]) -> list[End]:
    namespace = next(one["metadata"]["namespace"] for one in objects if one["kind"] == "NetworkPolicy")
    ends = [_end_of(pod, objects, namespace) for pod in pods(objects)]
    ends += [
        End("task", namespace, TASK_LABELS, needs=frozenset({*STORES, "kfp", "kubernetes"})),
        End("node", namespace, NODE_LABELS, {"any": 29500}, needs=frozenset({*STORES, "node"})),
        End("dns", "kube-system", {"k8s-app": "kube-dns"}, {"dns": 53}),
        End("kfp", _kfp_namespace(objects), {"app": "ml-pipeline"}, {str(port): port for port in KFP_PORTS}),
        End("prometheus", "monitoring", {}, needs=frozenset({"palm-exporter"})),
        End("client of vllm", namespace, _OWN | {"palm/reaches-vllm": "true"}, needs=frozenset({"vllm"})),
        End("pod of palm without flows", namespace, _OWN),
        End("stranger", namespace, {"app": "x"}, {"http": 80}),
        End("stranger elsewhere", "elsewhere", _REACHES, {"http": 80}),
        End("s3", address=_cidr(objects, "reach-s3"), ports={"https": S3_PORT, "ssh": 22}),
        End("backup store", address=_cidr(objects, "reach-backup"), ports={"https": S3_PORT, "ssh": 22}),
        End("kubernetes", address=_cidr(objects, "reach-kubernetes"), ports={"https": 443, "api": 6443, "ssh": 22}),
        End("internet", address="203.0.113.9", ports={"https": 443, "http": 80}),
    ]
    return [end for end in ends if end.namespace or end.address]


_OWN = {"app.kubernetes.io/part-of": "palm"}
_REACHES = {"palm/reaches-mlflow": "true", "palm/reaches-s3": "true"}


def _end_of(pod: Pod, objects: list[dict], namespace: str) -> End:
    # A program may listen on a port that it does not declare.
    ports = {"unsaid": 9999}
    ports |= {port["name"]: port["containerPort"] for one in pod.containers for port in one.get("ports", [])}
    accounts = {account["metadata"]["name"]: account for account in found(objects, "ServiceAccount")}
    needs = set()
    for container in pod.containers:
        command = [*container.get("command", []), *container.get("args", [])]
        if "palm" in command[:1]:
            needs |= NEEDS[command[1]]
            continue
        text = _text(pod, container, objects)
        needs |= {"s3"} if re.search(r"s3://|RCLONE_CONFIG_\w+_TYPE\ns3\b", text) else set()
        needs |= {"backup store"} if "RCLONE_CONFIG_BACKUP_TYPE" in text else set()
        needs |= {"postgres"} if re.search(r"\bpostgresql(\+\w+)?://|^PGHOST$", text, re.MULTILINE) else set()
    account = accounts.get(pod.spec.get("serviceAccountName"), {})
    if pod.spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True)):
        needs.add("kubernetes")
    return End(pod.owner["metadata"]["name"], namespace, pod.labels, ports, needs=frozenset(needs))


def _text(pod: Pod, container: dict, objects: list[dict]) -> str:
    """Command, variables and settings files of a container."""
    data = {one["metadata"]["name"]: one["data"] for one in found(objects, "ConfigMap")}
    words = [*container.get("command", []), *container.get("args", [])]
    for entry in container.get("env", []):
        words += [entry["name"], entry.get("value", "")]
        if reference := entry.get("valueFrom", {}).get("configMapKeyRef"):
            words.append(data[reference["name"]][reference["key"]])
    for entry in container.get("envFrom", []):
        for key, value in data.get(entry.get("configMapRef", {}).get("name"), {}).items():
            words += [key, value]
    mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
    for volume in pod.spec.get("volumes", []):
        if volume["name"] in mounts and "configMap" in volume:
            files = data.get(volume["configMap"]["name"], {})
            words += [text for key, text in files.items() if key.endswith(".ini")]
    return "\n".join(words)


def _kfp_namespace(objects: list[dict]) -> str:
    (policy,) = found(objects, "NetworkPolicy", "reach-kfp")
    return policy["spec"]["egress"][0]["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]


def _cidr(objects: list[dict], name: str) -> str | None:
    for policy in found(objects, "NetworkPolicy", name):
        return str(ipaddress.ip_network(policy["spec"]["egress"][0]["to"][0]["ipBlock"]["cidr"])[0])
    return None


def _needed(objects: list[dict], ends: list[End]) -> Iterator[tuple[str, str, int]]:
    here = {end.name: end for end in ends}
    homes = {
        "mlflow": ("mlflow", (5000,)),
        "postgres": ("postgres", (5432,)),
        "s3": ("object-store", (8333,)) if "object-store" in here else ("s3", (S3_PORT,)),
        "kfp": ("kfp", KFP_PORTS),
        "backup store": ("backup store", (S3_PORT,)),
        "kubernetes": ("kubernetes", API_PORTS),
        "palm-exporter": ("palm-exporter", (9464,)),
        "vllm": ("vllm", (8000,)),
        "node": ("node", (29500,)),
    }
    for end in ends:
        for need in end.needs:
            name, ports = homes[need]
            # A client or Prometheus where there is nothing to ask.
            if name in here or need not in ("palm-exporter", "vllm"):
                yield from ((end.name, name, port) for port in ports)
        if _is_ours(end):
            yield end.name, "dns", 53


def _is_ours(end: End) -> bool:
    return _OWN.items() <= end.labels.items() and end.namespace != "elsewhere"


def _let_through(objects: list[dict], ends: list[End]) -> Iterator[tuple[str, str, int]]:
    policies = [
        policy["spec"] | {"namespace": policy["metadata"]["namespace"]} for policy in found(objects, "NetworkPolicy")
    ]
    for source in ends:
        for destination in ends:
            concerned = _is_ours(source) or _is_ours(destination)
            if source.namespace is None or not concerned or (source is destination and source.name != "node"):
                continue
            for port in destination.ports.values():
                out = _allowed(policies, "Egress", source, destination, destination, port)
                if out and _allowed(policies, "Ingress", destination, source, destination, port):
                    yield source.name, destination.name, port


def _allowed(policies: list[dict], way: str, subject: End, peer: End, listener: End, port: int) -> bool:
    """Whether the policies of one end let a connection through: all do where none selects it."""
    selecting = [
        policy
        for policy in policies
        if way in policy["policyTypes"]
        and policy["namespace"] == subject.namespace
        and _matches(policy["podSelector"], subject.labels)
    ]
    if not selecting:
        return True
    side = "to" if way == "Egress" else "from"
    return any(
        _has_port(rule, listener, port) and _has_peer(rule.get(side), peer, policy["namespace"])
        for policy in selecting
        for rule in policy.get(way.lower(), [])
    )


def _has_port(rule: dict, listener: End, port: int) -> bool:
    given = rule.get("ports")
    return given is None or any(listener.ports.get(one["port"], one["port"]) == port for one in given)


def _has_peer(peers: list[dict] | None, peer: End, namespace: str) -> bool:
    if peers is None:
        return True
    for one in peers:
        if "ipBlock" in one:
            if peer.address and ipaddress.ip_address(peer.address) in ipaddress.ip_network(one["ipBlock"]["cidr"]):
                return True
            continue
        if peer.namespace is None:
            continue
        if "namespaceSelector" in one:
            inside = _matches(one["namespaceSelector"], {"kubernetes.io/metadata.name": peer.namespace})
        else:
            inside = peer.namespace == namespace
        if inside and _matches(one.get("podSelector", {}), peer.labels):
            return True
    return False


def _matches(selector: dict, labels: dict) -> bool:
    assert not selector.keys() - {"matchLabels"}, f"{selector}: only matchLabels are understood here"
    return selector.get("matchLabels", {}).items() <= labels.items()
