"""Step: the build in MLflow and its portfolio as one model version."""

from pathlib import Path
from tempfile import TemporaryDirectory

from palm.artifacts.selection import Selection
from palm.builds.inputs import base_model_files
from palm.builds.rebuild.candidates import PLAN
from palm.builds.reuse import fetch_entry
from palm.config.portfolio import PortfolioConfig
from palm.errors import DataError
from palm.progress import stage
from palm.promotion.past_builds import PLAN_FILE, PORTFOLIO_FILE
from palm.registry.register import SNAPSHOT_FILE, register
from palm.serving.portfolio import write_portfolio
from palm.serving.router import Router
from palm.steps.select_portfolio import value_table
from palm.storage.files import read_json, write_json, write_text


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
) -> dict:
    """Register the selected portfolio under the alias `challenger`.

    Args:
        config: the configuration.
        build_id: names the build.
        snapshot: what the build was made from (`palm.builds.rebuild.snapshot`), JSON text; empty: not recorded.
        policies: folders of the step train_policy.
        base_model: prepared base model.
        design: JSON file of the step design_grid.
        selection: JSON file of the step select_portfolio.
        destination: JSON file to write.
        plan: folder of the step plan_training, whose earlier policies may be in the portfolio; None for none.

    Returns:
        Its content: ``model``, ``version``, ``run_id``, ``aliases``.

    Raises:
        DataError: a selected policy is not among the given ones.
        RegistryError: MLflow fails.
    """
    with stage("register_portfolio", config.registry.model), TemporaryDirectory() as scratch:
        chosen = read_json(selection)
        folders = {read_json(folder / "policy.json")["policy"]: folder for folder in policies}
        folders |= _earlier_policies(config, chosen, known=folders, scratch=Path(scratch))
        missing = [record["policy"] for record in chosen["policies"] if record["policy"] not in folders]
        if missing:
            raise DataError(
                f"policies {missing}", rule="were evaluated but not given", remedy="pass all policy folders"
            )
        table = value_table(Selection.read(selection).policies, config.reward_names).subset(chosen["portfolio"])
        portfolio = Path(scratch) / "portfolio"
        portfolio.mkdir()
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
            "design.json": design.read_text(),
            PORTFOLIO_FILE: selection.read_text(),
            **({PLAN_FILE: (plan / PLAN).read_text()} if plan is not None else {}),
            **({SNAPSHOT_FILE: snapshot} if snapshot else {}),
        }
        for name, text in files.items():
            write_text(Path(scratch) / name, text)
        logs = {name: read_json(folder / "training_log.json")["steps"] for name, folder in folders.items()}
        result = register(
            config,
            build_id=build_id,
            portfolio=portfolio,
            selection=chosen,
            logs=logs,
            artifacts=[Path(scratch) / name for name in files],
        )
        write_json(destination, result)
    return result


def _earlier_policies(config: PortfolioConfig, chosen: dict, *, known: dict, scratch: Path) -> dict[str, Path]:
    """Folders of the candidates from the champion, which this build has measured but not been given."""
    names = [record["policy"] for record in chosen["policies"] if record["earlier"] and record["policy"] not in known]
    for name in names:
        fetch_entry(config.storage.root, name, scratch / "earlier" / name)
    return {name: scratch / "earlier" / name for name in names}
