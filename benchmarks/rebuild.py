"""A rebuild after one of the quickstart's three rewards has changed, against a cold build.

Builds with the rewards as they are, then with one changed: with what is there, and in an empty storage. Prints the
comparison and writes it to its part of RESULTS.md. Takes about 15 minutes; on a busy machine it measures the load.
"""

import json
import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from results import Section, show, write
from rich.console import Console

from palm.config.load import load_config
from palm.evaluation.measured import measured_by_prompt
from palm.geometry.portfolio.statistics import resample_gap

CHANGES = {
    "milder": ("* 0.8 ** _count_sentences(response, CAUTIOUS)", "* 0.6 ** _count_sentences(response, CAUTIOUS)"),
    "other": ("_saturating(_count_sentences(response, PLAYFUL))", "_saturating(_count_sentences(response, RECKLESS))"),
}
"""What is done to the reward `humour`: a warning takes twice as much of the fun away; other sentences are fun."""

Change = StrEnum("Change", list(CHANGES))


def main(
    folder: Annotated[Path, typer.Argument(help="Folder to make; builds that are there already are used again.")],
    changes: Annotated[list[Change] | None, typer.Argument(help="Which to measure; all by default.")] = None,
) -> None:
    """Build, change, rebuild and compare."""
    first = folder / "first"
    if not first.exists():
        _palm("init", first, "--example", "quickstart")
        _palm("run", first / "portfolio.yaml")
    rows = [row for change in changes or list(Change) for row in _measured(folder, first, change)]
    columns = ("change", "build", "trained", "from earlier", "reused", "device-seconds", "worst-case gap", "paired")
    section = Section("Rebuild of the quickstart", _NOTE, columns, rows)
    show(section, Console())
    write("Rebuild", "python benchmarks/rebuild.py FOLDER", [section])


_NOTE = (
    "Device-seconds of training, and their share of the cold build's. Worst-case gap of each portfolio against all "
    "policies of both builds on the same prompts, under the changed reward, with its 95 % interval; `paired`: the "
    "rebuilt portfolio's gap less the cold one's on the same resampled prompts."
)


def _measured(folder: Path, first: Path, change: str) -> list[list[str]]:
    rebuilt, cold = folder / f"rebuilt-{change}", folder / f"cold-{change}"
    for place, kept in ((rebuilt, ("store", "mlflow.db", "mlartifacts")), (cold, ())):
        if place.exists():
            continue
        _palm("init", place, "--example", "quickstart")
        for name in kept:
            source = first / name
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, place / name)
        # Pretraining the tiny model is no part of the comparison.
        for entry in first.glob("store/base-model-*"):
            shutil.copytree(entry, place / "store" / entry.name, dirs_exist_ok=True)
        _edit(place / "rewards.py", *CHANGES[change])
        # Both choose by the gap alone: the cold build has no champion against which nobody may lose.
        _edit(place / "portfolio.yaml", "max_epsilon: 0.15", "max_epsilon: 1.0\n  max_loss: 1.0")
        _palm("run", place / "portfolio.yaml")
    return _compared(change, rebuilt, cold)


def _palm(*arguments) -> None:
    subprocess.run([Path(sys.executable).with_name("palm"), *map(str, arguments)], check=True)


def _edit(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    if before not in text:
        raise SystemExit(f"{path}: {before!r} is not there")
    path.write_text(text.replace(before, after), encoding="utf-8")


def _compared(change: str, rebuilt: Path, cold: Path) -> list[list[str]]:
    config = load_config(rebuilt / "portfolio.yaml")
    summaries, folders = [], {}
    for workspace in (rebuilt, cold):
        build = max((workspace / "builds").iterdir())
        summaries.append(json.loads((build / "summary.json").read_text()))
        evaluations = summaries[-1]["selection"]["evaluations"]
        folders |= {policy: workspace / "store" / entry for policy, entry in evaluations.items()}
    names = list(folders)
    measured = measured_by_prompt(config, [folders[name] for name in names])
    gaps = []
    for summary in summaries:
        members = [names.index(name) for name in summary["selection"]["portfolio"]]
        gaps.append(resample_gap(measured.rewards, measured.costs, members, delta=0.0, seed=0))
    low, high = np.quantile(gaps[0].resampled - gaps[1].resampled, [0.025, 0.975])
    paired = f"{gaps[0].estimate - gaps[1].estimate:+.4f} [{low:+.4f}, {high:+.4f}]"
    whole = summaries[1]["device_seconds"]
    return [
        [
            change,
            label,
            str(len(summary["trained"])),
            str(len(summary["continued"])),
            str(len(summary["reused"])),
            f"{summary['device_seconds']:.0f} ({summary['device_seconds'] / whole:.0%})",
            f"{gap.estimate:.4f} [{gap.interval().low:.4f}, {gap.interval().high:.4f}]",
            paired if label == "rebuilt" else "",
        ]
        for label, summary, gap in zip(("rebuilt", "cold"), summaries, gaps, strict=True)
    ]


if __name__ == "__main__":
    typer.run(main)
