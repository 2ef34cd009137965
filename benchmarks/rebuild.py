"""A rebuild after one of the quickstart's three rewards has changed, against a cold build: ``python benchmarks/rebuild.py``.

Three builds: with the rewards as they are; with one changed, which may take over what it can; with the same change in an
empty storage. The last two are compared on the same held-out prompts, each portfolio against all policies of both.
Device-seconds are those of training only, as the builds record them; on an idle machine, else they measure its load.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from results import table

from palm.config_file import load_config
from palm.portfolio.statistics import resample_gap
from palm.stages.earlier_policies import earlier_evaluations
from palm.stages.measured import measured_by_prompt

CHANGES = {
    "milder": ("* 0.8 ** _count_sentences(response, CAUTIOUS)", "* 0.6 ** _count_sentences(response, CAUTIOUS)"),
    "other": ("_saturating(_count_sentences(response, PLAYFUL))", "_saturating(_count_sentences(response, RECKLESS))"),
}
"""What is done to the reward `humour`: warnings cost twice as much of the fun; other sentences are fun."""


def main() -> None:
    """Build, change, rebuild, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder to make; builds that are there already are used again")
    parser.add_argument("--change", choices=CHANGES, default="milder")
    arguments = parser.parse_args()
    first, cold = arguments.folder / "first", arguments.folder / f"cold-{arguments.change}"
    if not first.exists():
        _palm("init", first, "--example", "quickstart")
        _palm("run", first / "portfolio.yaml")
    rebuilt = arguments.folder / f"rebuilt-{arguments.change}"
    if not rebuilt.exists():
        _palm("init", rebuilt, "--example", "quickstart")
        for name in ("store", "mlflow.db", "mlartifacts"):
            source = first / name
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, rebuilt / name)
        _change(rebuilt, arguments.change)
        _palm("run", rebuilt / "portfolio.yaml", "--if-changed")
    if not cold.exists():
        _palm("init", cold, "--example", "quickstart")
        for entry in first.glob("store/base-model-*"):
            shutil.copytree(entry, cold / "store" / entry.name)
        _change(cold, arguments.change)
        _palm("run", cold / "portfolio.yaml")
    print(_compared(rebuilt, cold))


def _palm(*arguments) -> None:
    subprocess.run([sys.executable, "-m", "palm", *map(str, arguments)], check=True)


def _change(folder: Path, change: str) -> None:
    path, (before, after) = folder / "rewards.py", CHANGES[change]
    text = path.read_text()
    assert before in text, before
    path.write_text(text.replace(before, after))


def _compared(rebuilt: Path, cold: Path) -> str:
    config = load_config(rebuilt / "portfolio.yaml")
    summaries, folders = [], {}
    for workspace in (rebuilt, cold):
        build = max((workspace / "builds").iterdir())
        summaries.append(json.loads((build / "summary.json").read_text()))
        plan = next(build.glob("steps/*/plan-training/plan"))
        for folder in [*build.glob("steps/*/evaluate-policy*/evaluation"), *earlier_evaluations(plan)]:
            folders[json.loads((folder / "evaluation.json").read_text())["policy"]] = folder
    names = list(folders)
    measured = measured_by_prompt(config, [folders[name] for name in names])
    gaps = [
        resample_gap(
            measured.rewards,
            measured.costs,
            [names.index(name) for name in summary["selection"]["portfolio"]],
            delta=0.0,
            seed=0,
        )
        for summary in summaries
    ]
    rows = [
        [
            label,
            len(summary["trained"]),
            len(summary["continued"]),
            len(summary["reused"]),
            f"{summary['device_seconds']:.0f}",
            f"{gap.estimate:.4f} [{gap.interval().low:.4f}, {gap.interval().high:.4f}]",
        ]
        for label, summary, gap in zip(("rebuilt", "cold"), summaries, gaps, strict=True)
    ]
    difference = gaps[0].resampled - gaps[1].resampled
    low, high = np.quantile(difference, [0.025, 0.975])
    spent = [summary["device_seconds"] for summary in summaries]
    return "\n".join(
        [
            table(["build", "trained", "from earlier", "reused", "device-seconds", "worst-case gap"], rows),
            "",
            f"Training: {spent[0] / spent[1]:.0%} of the cold build's. Gap, rebuilt less cold: "
            f"{gaps[0].estimate - gaps[1].estimate:+.4f}, paired 95 % interval {low:+.4f} to {high:+.4f}; "
            f"against all {len(names)} policies of both.",
        ]
    )


if __name__ == "__main__":
    main()
