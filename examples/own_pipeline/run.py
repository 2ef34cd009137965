"""Run the pipeline on this machine: `python examples/own_pipeline/run.py CONFIG FOLDER`."""

from pathlib import Path
from typing import Annotated

import typer
from kfp import local
from pipeline import own_trainer

from palm.artifacts.selection import Selection
from palm.components.launcher_rules import check_executor_outputs
from palm.config.load import load_config


def run(
    config: Annotated[Path, typer.Argument(help="Configuration of a portfolio (YAML).")],
    folder: Annotated[Path, typer.Argument(help="Folder for the files of every task.")],
) -> None:
    """Train with your trainer, measure and certify with PALM."""
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder.resolve()))
    outputs = own_trainer(config=load_config(config).to_json()).outputs
    # Kubeflow refuses some outputs that local runs accept.
    check_executor_outputs(folder)
    selection = Selection.read(Path(outputs["selection"].path))
    for candidate in selection.policies:
        rewards = "  ".join(f"{name} {reward.mean:.3f}" for name, reward in candidate.rewards.items())
        chosen = "*" if candidate.policy in selection.portfolio else " "
        weights = " ".join(f"{weight:.2f}" for weight in candidate.weights)
        typer.echo(f"{chosen} {candidate.policy}  weights {weights}  {rewards}  gain {candidate.gain.mean:+.3f}")
    typer.echo(f"* the portfolio: its worst-case gap is at most {selection.epsilon:.4f}")


if __name__ == "__main__":
    typer.run(run)
