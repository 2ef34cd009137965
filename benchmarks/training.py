"""Training and evaluation in numbers: fidelity, the price of a step, of an evaluation, of a process; GPUs.

Prints the tables and writes each to its part of RESULTS.md. All together take about half an hour.
"""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from evaluation_cases import evaluation, make_setting
from fidelity_cases import fidelity
from gpu_cases import gpu
from results import Section, show, write
from rich.console import Console
from step_cases import step_cost
from worker_cases import workers


def _step() -> Section:
    with TemporaryDirectory() as name:
        setting = make_setting(Path(name) / "quickstart", policies=0)
        return step_cost(setting.config, setting.base_model, setting.rollouts)


def _evaluation() -> Section:
    with TemporaryDirectory() as name:
        return evaluation(make_setting(Path(name) / "quickstart"))


CASES: dict[str, tuple[str, Callable[[], Section]]] = {
    "fidelity": ("Training: fidelity", fidelity),
    "step": ("Training: cost of a step", _step),
    "workers": ("Training: workers", workers),
    "gpu": ("Training: GPU", gpu),
    "evaluation": ("Evaluation", _evaluation),
}
Case = StrEnum("Case", list(CASES))


def main(cases: Annotated[list[Case] | None, typer.Argument(help="Which to run; all by default.")] = None) -> None:
    """Measure training and evaluation."""
    console = Console()
    for case in cases or list(Case):
        part, measure = CASES[case]
        section = measure()
        show(section, console)
        write(part, f"python benchmarks/training.py {case}", [section])


if __name__ == "__main__":
    typer.run(main)
