"""Step register_portfolio: the build in MLflow and its portfolio as one model version."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from palm.artifacts.design import Design
from palm.artifacts.plan import Plan
from palm.artifacts.policy import Policy, TrainingLog
from palm.artifacts.registration import Registration
from palm.artifacts.selection import Selection
from palm.builds.inputs import base_model_files
from palm.builds.reuse import fetch_entry
from palm.config.portfolio import PortfolioConfig
from palm.errors import DataError
from palm.progress import stage
from palm.registry.content import Build
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.registry.runs import SNAPSHOT_FILE
from palm.serving.portfolio import write_portfolio
from palm.serving.router import Router
from palm.steps.select_portfolio import value_table
from palm.storage.files import write_text


def register_portfolio(
    config: PortfolioConfig,
    build_id: str,
    snapshot: str = "",
    *,
    policies: list[Path],
    base_model: Path,
    design: Path,
    selection: Path,
    destination: Path,
    plan: Path | None = None,
) -> Registration:
    """Register the selected portfolio under the alias `challenger`.

    Args:
        snapshot: inputs of the build (`palm.builds.rebuild.snapshot`), JSON text; empty: not recorded.
        plan: its earlier policies may be in the portfolio; None for none.
    """
    with stage("register_portfolio", config.registry.model), TemporaryDirectory() as name:
        scratch, selected = Path(name), Selection.read(selection)
        folders = {Policy.read(folder).policy: folder for folder in policies}
        folders |= _earlier_policies(config, selected, folders, scratch / "earlier")
        missing = [candidate.policy for candidate in selected.policies if candidate.policy not in folders]
        if missing:
            raise DataError(
                f"policies {missing}", rule="were evaluated but not given", remedy="pass all policy folders"
            )
        portfolio = scratch / "portfolio"
        portfolio.mkdir()
        table = value_table(selected.policies, config.reward_names).subset(selected.portfolio)
        write_portfolio(
            portfolio,
            router=Router(table.reward_names, table.names, table.value_vectors),
            policies=folders,
            base_model=base_model,
            base_files=base_model_files(base_model),
            base_source=config.base_model,
            max_new_tokens=config.generation.max_new_tokens,
        )
        files = {
            "config.yaml": config.to_yaml(),
            Design.FILE: design.read_text(),
            Selection.FILE: selection.read_text(),
        }
        if plan is not None:
            files[Plan.FILE] = (plan / Plan.FILE).read_text()
        if snapshot:
            files[SNAPSHOT_FILE] = snapshot
        for name, text in files.items():
            write_text(scratch / name, text)
        logs = {name: TrainingLog.read(folder) for name, folder in folders.items()}
        build = Build(build_id, portfolio, selected, logs, [scratch / name for name in files])
        registration = PortfolioRegistry(config).register(build)
        registration.write(destination)
    return registration


def _earlier_policies(
    config: PortfolioConfig, selected: Selection, known: Iterable[str], destination: Path
) -> dict[str, Path]:
    """Folders of the candidates from the champion, which this build has measured and not trained."""
    names = [entry.policy for entry in selected.policies if entry.earlier and entry.policy not in known]
    for name in names:
        fetch_entry(config.storage.root, name, destination / name)
    return {name: destination / name for name in names}
