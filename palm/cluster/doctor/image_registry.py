"""The check that an image is in its registry, by the HTTP API of the OCI distribution specification."""

from dataclasses import dataclass

from palm.errors import ClusterError

_SECONDS = 15
_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


@dataclass(frozen=True)
class Reference:
    """The parts of an image's reference; ``version`` is a tag or a digest."""

    registry: str
    name: str
    version: str

    @classmethod
    def parse(cls, image: str) -> "Reference":
        """Parse a reference as Docker does: without a registry it is Docker Hub's."""
        name, _, digest = image.partition("@")
        first, slash, rest = name.partition("/")
        has_registry = slash and ("." in first or ":" in first or first == "localhost")
        registry, path = (first, rest) if has_registry else ("docker.io", name)
        if registry in ("docker.io", "index.docker.io"):
            registry = "registry-1.docker.io"
        if registry == "registry-1.docker.io" and "/" not in path:
            path = f"library/{path}"
        path, _, tag = path.partition(":")
        return cls(registry, path, digest or tag or "latest")

    @property
    def manifest(self) -> str:
        """URL of the manifest; HTTP for a registry on this machine."""
        scheme = "http" if self.registry.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
        return f"{scheme}://{self.registry}/v2/{self.name}/manifests/{self.version}"


def find_image(image: str, *, elsewhere: str) -> str:
    """Look an image up in its registry, without credentials; returns a line about what was found.

    Args:
        elsewhere: what is known about other places, for the message of an error.
    """
    import requests

    reference = Reference.parse(image)
    if reference.registry == "localhost":
        raise ClusterError(
            f"image {image}",
            rule=f"localhost is no registry that nodes can pull from, and {elsewhere}",
            remedy="push it to a registry and set cluster.image and cluster.gpu_image, or load it into the nodes",
        )
    try:
        answer = _head(reference)
    except requests.RequestException as error:
        raise ClusterError(
            f"image {image}",
            rule=f"{reference.registry} cannot be reached from here ({type(error).__name__}), and {elsewhere}",
            remedy="check the name; what nodes can pull may differ from what this machine can",
        ) from error
    if answer.status_code in (401, 403):
        raise ClusterError(
            f"image {image}",
            rule=f"{reference.registry} shows it only with credentials, and {elsewhere}",
            remedy="check that it exists, and that the pods' service account has its image pull secret",
        )
    if answer.status_code != 200:
        raise ClusterError(
            f"image {image}",
            rule=f"is not in {reference.registry} ({answer.status_code}), and {elsewhere}",
            remedy="push it, or set cluster.image and cluster.gpu_image",
        )
    return f"{image} is in {reference.registry}"


def _head(reference: Reference):
    """Request the manifest, with an anonymous token where the registry requires one."""
    import requests
    from requests.utils import parse_dict_header

    headers = {"Accept": _MANIFESTS}
    answer = requests.head(reference.manifest, headers=headers, timeout=_SECONDS, allow_redirects=True)
    kind, _, challenge = answer.headers.get("WWW-Authenticate", "").partition(" ")
    if answer.status_code != 401 or kind.lower() != "bearer":
        return answer
    wanted = parse_dict_header(challenge)
    realm = wanted.pop("realm", "")
    issued = requests.get(realm, params=wanted, timeout=_SECONDS)
    if issued.status_code != 200:
        return answer
    token = issued.json().get("token") or issued.json().get("access_token")
    return requests.head(reference.manifest, headers={**headers, "Authorization": f"Bearer {token}"}, timeout=_SECONDS)
