"""Which builds the versions of a registered model were made by."""

from pathlib import Path

from palm.config import Registry
from palm.errors import RegistryError
from palm.mlflow_connection import connected

_BUILD_TAGS = ("palm.build_id", "palm.build_ids")
"""Of a version: the build that made it; all builds that found the same, separated by commas."""


def registered_builds(registry: Registry, *, page_size: int = 200) -> dict[str, str]:
    """Read which builds are registered.

    Args:
        registry: where MLflow is, and the model's name.
        page_size: how many versions are asked for at once.

    Returns:
        Build to the number of a version that names it.

    Raises:
        RegistryError: MLflow fails, or its file does not exist.
    """
    file = registry.tracking_uri.removeprefix("sqlite:///")
    if file != registry.tracking_uri and not Path(file).exists():
        # MLflow would make a new one, in which nothing is registered.
        raise RegistryError(
            f"registry.tracking_uri={registry.tracking_uri}",
            rule="does not exist, so nobody knows what is registered",
            remedy="correct the path",
        )
    builds, page = {}, None
    with connected(registry) as client:
        while page is None or page.token:
            page = client.search_model_versions(
                f"name = '{registry.model}'", max_results=page_size, page_token=None if page is None else page.token
            )
            for version in page:
                for tag in _BUILD_TAGS:
                    for build in version.tags.get(tag, "").split(","):
                        builds[build.strip()] = str(version.version)
    builds.pop("", None)
    return builds
