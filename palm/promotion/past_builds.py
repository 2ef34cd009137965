"""What is kept in MLflow of a build whose portfolio is registered."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from palm.artifacts.base import Artifact
from palm.artifacts.plan import Plan
from palm.artifacts.selection import Selection
from palm.config.portfolio import Registry
from palm.errors import DataError
from palm.promotion.alias import alias_of, current_champion, is_gone
from palm.registry.connection import connected
from palm.registry.integrity import download_verified
from palm.registry.register import CHALLENGER, SNAPSHOT_FILE
from palm.serving.verification import ROUTING
from palm.storage.files import read_json

PORTFOLIO_FILE, PLAN_FILE = "portfolio.json", "plan.json"
"""Artifacts of a build's run: its portfolio with every evaluation, and how its policies were to be had."""


Recorded = TypeVar("Recorded", bound=Artifact)


@dataclass(frozen=True)
class PastBuild:
    """A registered portfolio and what it was made from.

    Attributes:
        version: its number in the registry.
        selection: content of portfolio.json: the portfolio and every policy's evaluation; None if that was not
            recorded (an older palm, a version that was registered by hand) or the version was deleted.
        plan: content of plan.json (`palm.steps.plan_training`); None if that was not recorded.
        snapshot: what it was made from (`palm.builds.rebuild.snapshot`); None if that was not recorded.
    """

    version: str
    selection: Selection | None
    plan: Plan | None
    snapshot: dict | None


def champion_build(registry: Registry) -> PastBuild | None:
    """The build whose portfolio is served.

    Args:
        registry: where MLflow is, and the model's name.

    Returns:
        The build; None if there is no champion.

    Raises:
        RegistryError: MLflow fails.
    """
    return _build_of(registry, current_champion(registry))


def newest_build(registry: Registry) -> PastBuild | None:
    """The build that was registered last, judged or not; arguments and result as of `champion_build`."""
    with connected(registry) as client:
        number = alias_of(client, registry.model, CHALLENGER)
    return _build_of(registry, number)


def _build_of(registry: Registry, number: str | None) -> PastBuild | None:
    if number is None:
        return None
    with connected(registry) as client:
        if is_gone(client, registry.model, number):
            return PastBuild(number, None, None, None)
        version = client.get_model_version(registry.model, number)
        files = run_files(client, version.run_id, (PORTFOLIO_FILE, PLAN_FILE, SNAPSHOT_FILE))
    return PastBuild(
        str(version.version),
        _recorded(Selection, files[PORTFOLIO_FILE]),
        _recorded(Plan, files[PLAN_FILE]),
        files[SNAPSHOT_FILE],
    )


def _recorded(model: type[Recorded], content: dict | None) -> Recorded | None:
    """The artifact; None if it is missing, or of an older or newer palm."""
    try:
        return None if content is None else model.parse(content, model.FILE)
    except DataError:
        return None


def run_files(client, run_id: str | None, names: tuple[str, ...]) -> dict[str, dict | None]:
    """Read JSON files that are kept with a run.

    Args:
        client: an `MlflowClient`.
        run_id: the run; None for a version that was registered without one.
        names: of the files.

    Returns:
        Name to content, None where there is no such file.
    """
    import mlflow

    kept = {entry.path for entry in client.list_artifacts(run_id)} if run_id else set()
    with TemporaryDirectory() as scratch:
        for name in kept.intersection(names):
            mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=name, dst_path=scratch)
        return {name: read_json(Path(scratch) / name) if name in kept else None for name in names}


def download_policies(registry: Registry, version: str, destination: Path) -> dict[str, Path]:
    """Download a registered portfolio and check every byte of it.

    Args:
        registry: where MLflow is, and the model's name.
        version: number of the version.
        destination: folder to make.

    Returns:
        Name of each policy of the portfolio to its folder.

    Raises:
        ModelError: a file is not what was registered.
        RegistryError: MLflow fails.
    """
    with connected(registry):
        folder = download_verified(registry.model, version, destination)
    return {entry["policy"]: folder / entry["folder"] for entry in read_json(folder / ROUTING)["policies"]}
