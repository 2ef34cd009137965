"""What the registry knows of the last build: which inputs it was made from."""

from dataclasses import dataclass

from palm.config.portfolio import Registry
from palm.promotion.past_builds import run_files
from palm.promotion.promote import VERDICT
from palm.registry.connection import connected
from palm.registry.register import CHALLENGER, CHAMPION, SNAPSHOT_FILE

_NEWEST_FIRST = (CHALLENGER, CHAMPION)


@dataclass(frozen=True)
class LastBuild:
    """A registered portfolio that a new build is compared with.

    Attributes:
        version: its number in the registry.
        verdict: what the gate said of it: ``promoted`` or ``refused``; empty for a champion that was made by hand.
        finished: whether it came to its end, the report.
        snapshot: what it was made from (`palm.builds.rebuild.snapshot`); None if that was not recorded.
    """

    version: str
    verdict: str
    finished: bool
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
    with connected(registry) as client:
        if not client.search_registered_models(f"name = '{registry.model}'"):
            return None
        aliases = client.get_registered_model(registry.model).aliases
        found = [client.get_model_version(registry.model, aliases[name]) for name in _NEWEST_FIRST if name in aliases]
        version = next((entry for entry in found if VERDICT in entry.tags), found[-1] if CHAMPION in aliases else None)
        if version is None:
            return None
        verdict = version.tags.get(VERDICT, "")
        # A champion that was made by hand may have been registered by hand as well, without a run.
        finished = not verdict or client.get_run(version.run_id).info.status == "FINISHED"
        snapshot = run_files(client, version.run_id, (SNAPSHOT_FILE,))[SNAPSHOT_FILE]
    return LastBuild(str(version.version), verdict, finished, snapshot)
