"""Rollout of the champion to the pods of a Deployment.

The version is an annotation of the pod template. Its change replaces the pods, all pods of one ReplicaSet serve one
version, and `kubectl rollout undo` returns to the version before.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from palm.cluster.kubernetes_access import TIMEOUT, client_settings, kubernetes_errors, own_namespace
from palm.config.portfolio import Registry
from palm.errors import ClusterError
from palm.promotion import promotions
from palm.promotion.champion import Promotions
from palm.serving.server_check import check_server

VERSION = "palm/portfolio-version"
"""The annotation; pods get it as PALM_VERSION."""
_CAUSE = "kubernetes.io/change-cause"
"""The annotation that `kubectl rollout history` shows."""


def roll_out(registry: Registry, deployment: str, namespace: str | None = None, *, verify: str | None = None) -> str:
    """Set a Deployment to the champion's version, unless it has that version already.

    Args:
        namespace: of the Deployment; None: that of this pod or of kubectl.
        verify: address of a server of the champion, which is checked before anything is changed
            (`palm.serving.server_check`); None: no check.

    Returns:
        One line about what was done, or about the progress of the rollout.
    """
    from kubernetes.client import ApiClient, AppsV1Api

    known = promotions(registry)
    champion = known.champion()
    if champion is None:
        return f"{registry.model} has no champion yet; deployment {deployment} is left as it is"
    apps = AppsV1Api(ApiClient(client_settings()))
    namespace = namespace or own_namespace()
    what = f"deployment {namespace}/{deployment}"
    missing = "check --deployment and --namespace"
    with kubernetes_errors(what, missing):
        found = apps.read_namespaced_deployment(deployment, namespace, _request_timeout=TIMEOUT)
    served = (found.spec.template.metadata.annotations or {}).get(VERSION, "")
    if served == champion:
        return f"{what}: {_progress(found, what, champion)}"
    checked = "" if verify is None else _check(known, champion, verify)
    patch = {
        "metadata": {"annotations": {_CAUSE: f"palm rollout: {registry.model} version {champion}"}},
        "spec": {"template": {"metadata": {"annotations": {VERSION: champion}}}},
    }
    with kubernetes_errors(what, missing, verb="changed"):
        apps.patch_namespaced_deployment(deployment, namespace, patch, _request_timeout=TIMEOUT)
    return (
        f"{what}: was {f'version {served}' if served else 'unset'}, is being rolled out to version {champion}" + checked
    )


def _check(known: Promotions, version: str, url: str) -> str:
    with TemporaryDirectory() as scratch:
        return f"; {check_server(url, known.certified.download(version, Path(scratch)).portfolio)}"


def _progress(deployment, what: str, version: str) -> str:
    status, wanted = deployment.status, deployment.spec.replicas
    if (status.observed_generation or 0) < deployment.metadata.generation:
        return f"version {version} is being rolled out"
    progressing = {entry.type: entry for entry in status.conditions or []}.get("Progressing")
    if progressing is not None and progressing.status == "False":
        raise ClusterError(
            what,
            rule=f"version {version} could not be rolled out ({progressing.reason}: {progressing.message})",
            remedy="see the logs of its pods' init container and of vllm, or go back with `palm rollback`",
        )
    ready = min(status.updated_replicas or 0, status.available_replicas or 0)
    if ready < wanted or (status.replicas or 0) > wanted:
        return f"version {version} is being rolled out, {ready} of {wanted} pods"
    return f"serves version {version}, the champion"
