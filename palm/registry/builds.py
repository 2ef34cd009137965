"""Which builds the versions of a registered model were made by."""

from palm.config.portfolio import Registry
from palm.registry.connection import connected
from palm.registry.experiment import check_exists
from palm.registry.runs import builds_of


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
    check_exists(registry)
    builds, page = {}, None
    with connected(registry) as client:
        while page is None or page.token:
            page = client.search_model_versions(
                f"name = '{registry.model}'", max_results=page_size, page_token=None if page is None else page.token
            )
            for version in page:
                builds |= dict.fromkeys(builds_of(version.tags), str(version.version))
    return builds
