"""Training and evaluation in numbers: fidelity, the price of a step, of an evaluation, of a process; GPUs.

Prints the tables and writes them to RESULTS.md. Takes about 40 minutes.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from evaluation_cases import evaluation, make_setting
from fidelity_cases import fidelity
from gpu_cases import gpu
from results import show, write
from rich.console import Console
from step_cases import step_cost
from worker_cases import workers


def main() -> None:
    """Run everything."""
    console, sections = Console(), []
    with TemporaryDirectory() as name:
        setting = make_setting(Path(name) / "quickstart")
        cases = (
            lambda: step_cost(setting.config, setting.base_model, setting.rollouts),
            lambda: evaluation(setting),
            workers,
            fidelity,
            gpu,
        )
        for case in cases:
            sections.append(case())
            show(sections[-1], console)
    write("Training and evaluation", "python benchmarks/training.py", sections)


if __name__ == "__main__":
    main()
