"""What the registry knows of the last build: which inputs it was made from."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from palm.config import Registry
from palm.mlflow_connection import connected
from palm.registry.promotion import VERDICT
from palm.registry.register import CHALLENGER, CHAMPION, SNAPSHOT_FILE
from palm.storage.files import read_json

_NEWEST_FIRST = (CHALLENGER, CHAMPION)


@dataclass(frozen=True)
class LastBuild:
    """A registered portfolio that a new build is compared with.

    Attributes:
        version: its number in the registry.
        verdict: what the gate said of it: ``promoted`` or ``refused``; empty for a champion that was made by hand.
        snapshot: what it was made from (`palm.stages.snapshot`); None if that was not recorded.
    """

    version: str
    verdict: str
    snapshot: dict | None


def last_build(registry: Registry) -> LastBuild | None:
    """Find the last build that the gate has judged, or else the champion.

    A build that was refused counts: the same inputs would only be refused again. One that was never judged, because
    its run ended before the gate, does not.

    Args:
        registry: where MLflow is, and the model's name.

    Returns:
        The build; None if nothing is registered.

    Raises:
        RegistryError: MLflow fails.
    """
    import mlflow

    with connected(registry) as client:
        if not client.search_registered_models(f"name = '{registry.model}'"):
            return None
        aliases = client.get_registered_model(registry.model).aliases
        found = [client.get_model_version(registry.model, aliases[name]) for name in _NEWEST_FIRST if name in aliases]
        version = next((entry for entry in found if VERDICT in entry.tags), found[-1] if CHAMPION in aliases else None)
        if version is None:
            return None
        with TemporaryDirectory() as scratch:
            kept = {entry.path for entry in client.list_artifacts(version.run_id)}
            snapshot = None
            if SNAPSHOT_FILE in kept:
                mlflow.artifacts.download_artifacts(
                    run_id=version.run_id, artifact_path=SNAPSHOT_FILE, dst_path=scratch
                )
                snapshot = read_json(Path(scratch) / SNAPSHOT_FILE)
    return LastBuild(str(version.version), version.tags.get(VERDICT, ""), snapshot)
