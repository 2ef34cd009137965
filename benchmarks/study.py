"""The paper's comparison on real data: portfolios from palm, uniform and random designs over GSM8K.

Trains every policy of every design once, measures all of them on the same held-out prompts and writes what their
portfolios are worth to RESULTS.md. Everything trained or measured is kept in the study's folder: a run that was
stopped goes on where it was, and a second run only computes the tables. Takes about half an hour on two cores.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from results import RESULTS, Section, show, write
from rich.console import Console
from study_cases import RESAMPLES, Measured, judge, pairs, versus
from study_diversity import spread_of
from study_plan import Plan, candidates, make_plan
from study_tables import policy_section, portfolio_section, versus_section

from palm.builds.inputs import check_inputs
from palm.cli.example_files import copy_example
from palm.config.load import load_config
from palm.config.portfolio import PortfolioConfig
from palm.errors import PalmError
from palm.evaluation.diversity import Answers
from palm.evaluation.evaluate import read_answers
from palm.evaluation.rollouts import read_rollouts
from palm.steps.evaluate_policies import evaluate_policy
from palm.steps.prepare_base_model import prepare_base_model
from palm.steps.sample_reference import sample_reference
from palm.steps.train_policy import train_policy
from palm.storage.files import read_json

EXAMPLE = "gsm8k"
EVALUATION = "evaluation"
COMMAND = "python benchmarks/study.py --data FOLDER"


@dataclass(frozen=True, eq=False)
class Study:
    """What was measured.

    Attributes:
        measured: the policies, in the order of their weights.
        answers: their responses.
        records: their evaluations.
        reference: mean scores of the reference.
    """

    measured: Measured
    answers: list[Answers]
    records: list[dict]
    reference: dict


def run_study(config: PortfolioConfig, weights: np.ndarray, *, executor: Executor, console: Console) -> Study:
    """Train and measure policies, or fetch those that the configuration's store has.

    Args:
        config: the configuration.
        weights: preference weights, shape (n, d).
        executor: what trains policies side by side.
        console: where progress is shown.

    Returns:
        The measurements.

    Raises:
        PalmError: an input is unusable, or training fails.
    """
    check_inputs(config)
    with TemporaryDirectory() as scratch:
        base, rollouts = Path(scratch) / "base", Path(scratch) / "rollouts"
        with _timed(console, "base model"):
            prepare_base_model(config, base)
        with _timed(console, "reference rollouts"):
            sample_reference(config, base, rollouts)
        folders = [Path(scratch) / f"policy-{number}" for number in range(len(weights))]
        make = partial(_make_policy, config, base, rollouts)
        for number, line in enumerate(executor.map(make, weights.tolist(), folders), start=1):
            console.print(f"policy {number} of {len(weights)}: {line}", highlight=False)
        return _collect(config, rollouts, [folder / EVALUATION for folder in folders])


def _make_policy(config: PortfolioConfig, base: Path, rollouts: Path, weights: list[float], folder: Path) -> str:
    start = time.perf_counter()
    policy = folder / "policy"
    trained = train_policy(config, weights, base_model=base, rollouts=rollouts, destination=policy)
    measured = evaluate_policy(
        config, policy=policy, base_model=base, rollouts=rollouts, destination=folder / EVALUATION
    )
    return (
        f"{_vector(weights)}  J {measured.objective.mean:.3f}, J_ref {measured.objective_reference.mean:.3f}, "
        f"{'from the store' if trained.reused else f'{time.perf_counter() - start:.0f} s'}"
    )


def _collect(config: PortfolioConfig, rollouts: Path, folders: list[Path]) -> Study:
    rewards, costs = [], []
    for folder in folders:
        path = folder / "samples.parquet"
        samples = read_rollouts(path, config.reward_names)
        divergences = pd.read_parquet(path, columns=["kl"])["kl"].to_numpy().reshape(samples.truncated.shape)
        rewards.append(samples.rewards.mean(axis=1))
        costs.append(config.beta * divergences.mean(axis=1))
    reference = read_rollouts(rollouts / "eval.parquet", config.reward_names)
    return Study(
        Measured(np.stack(rewards), np.stack(costs), reference.rewards.mean(axis=1)),
        [read_answers(folder, config.reward_names) for folder in folders],
        [read_json(folder / "evaluation.json") for folder in folders],
        read_json(rollouts / "reference.json"),
    )


def sections(
    config: PortfolioConfig, plan: Plan, study: Study, *, executor: Executor, resamples: int = RESAMPLES
) -> list[Section]:
    """Make the tables.

    Args:
        config: the configuration.
        plan: the designs.
        study: the measurements.
        executor: what computes candidates side by side.
        resamples: number of bootstrap resamples.

    Returns:
        Policies, portfolios, differences.
    """
    choosing, judging = study.measured.halves()
    found = candidates(plan, choosing)
    judged = list(executor.map(partial(judge, judging, resamples=resamples), found))
    diversity = {"ngrams": config.evaluation.distinct_ngrams, "seed": config.evaluation.seed}
    spreads = list(executor.map(partial(spread_of, answers=study.answers, **diversity), found))
    compared = pairs(judged)
    differences = list(executor.map(partial(versus, judging, resamples=resamples), compared))
    origins = [plan.origin(policy) for policy in range(len(plan.weights))]
    return [
        policy_section(origins, study.records, study.reference),
        portfolio_section(judged, spreads, policies=len(plan.weights) + 1, prompts=len(judging.reference)),
        versus_section(compared, differences),
    ]


def _one_thread() -> None:
    """Set up a worker: several with one thread each beat one with several."""
    import torch

    torch.set_num_threads(1)


@contextmanager
def _timed(console: Console, what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    console.print(f"{what}: {time.perf_counter() - start:.0f} s", highlight=False)


def _vector(weights) -> str:
    return " ".join(f"{weight:.2f}" for weight in weights)


def main(
    data: Annotated[Path, typer.Option(help="Folder with GSM8K's train.jsonl and test.jsonl.")],
    folder: Annotated[
        Path, typer.Option(help="The study's own folder: its portfolio.yaml, prompts and store; made if missing.")
    ] = Path("gsm8k-study"),
    results: Annotated[Path, typer.Option(help="File of results to write to.")] = RESULTS,
) -> None:
    """Compare portfolios from palm, uniform and random designs on GSM8K."""
    console = Console()
    try:
        if not (folder / "portfolio.yaml").exists():
            copy_example(EXAMPLE, folder, data)
        config = load_config(folder / "portfolio.yaml")
        plan = make_plan(config)
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"), initializer=_one_thread) as executor:
            study = run_study(config, plan.weights, executor=executor, console=console)
            made = sections(config, plan, study, executor=executor)
    except PalmError as error:
        console.print(f"[red]error:[/] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    for section in made:
        show(section, console)
    write("GSM8K study", COMMAND, made, results)


if __name__ == "__main__":
    typer.run(main)
