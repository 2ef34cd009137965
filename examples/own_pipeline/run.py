"""Run the pipeline on this machine: `python examples/own_pipeline/run.py CONFIG FOLDER`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from kfp import local
from pipeline import own_trainer

from palm.components.launcher_rules import check_executor_outputs
from palm.config.load import load_config


def run(
    config: Annotated[Path, typer.Argument(help="Configuration of a portfolio (YAML).")],
    folder: Annotated[Path, typer.Argument(help="Where every task's files go.")],
) -> None:
    """Train with your trainer, measure and certify with PALM."""
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder.resolve()))
    outputs = own_trainer(config=load_config(config).to_json()).outputs
    # What Kubeflow would refuse after the work is done, and local runners take.
    check_executor_outputs(folder)
    selection = json.loads(Path(outputs["selection"].path).read_text(encoding="utf-8"))
    for record in selection["policies"]:
        rewards = "  ".join(f"{name} {entry['mean']:.3f}" for name, entry in record["rewards"].items())
        chosen = "*" if record["policy"] in selection["portfolio"] else " "
        weights = " ".join(f"{weight:.2f}" for weight in record["weights"])
        typer.echo(f"{chosen} {record['policy']}  weights {weights}  {rewards}  gain {record['gain']['mean']:+.3f}")
    typer.echo(f"* the portfolio: its worst-case gap is at most {selection['epsilon']:.4f}")


if __name__ == "__main__":
    typer.run(run)
