"""Step: one page about the build, and its data as one JSON file."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from palm import __version__
from palm.builds.rebuild.candidates import PLAN, POLICY, earlier_evaluations
from palm.builds.records import page_name
from palm.builds.training_spent import Trained, training_spent
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.rollouts import Rollouts, read_rollouts
from palm.progress import stage
from palm.registry.kfp_plugin import plugin_link
from palm.registry.register import CHALLENGER, CHAMPION, finish_build
from palm.reporting.page import write_report
from palm.storage.files import read_json, write_json
from palm.storage.records import Records

_SAMPLE_PROMPTS = 6
_OF_TRAINING = ("backend", "training_seconds", "reused", "start")


def report(
    config: PortfolioConfig,
    build_id: str,
    *,
    design: Path,
    rollouts: Path,
    policies: list[Path],
    evaluations: list[Path],
    selection: Path,
    registration: Path,
    verdict: Path,
    plan: Path,
    page: Path,
    summary: Path,
) -> dict:
    """Write the page and the summary, and end the build's run in MLflow with them.

    Args:
        config: the configuration.
        build_id: names the build.
        design: JSON file of the step design_grid.
        rollouts: folder of the step sample_reference.
        policies: folders of the step train_policy, with ``reused`` as in this build.
        evaluations: folders of the step evaluate_policies.
        selection: JSON file of the step select_portfolio.
        registration: JSON file of the step register_portfolio.
        verdict: JSON file of the step promote_portfolio.
        plan: folder of the step plan_training.
        page: HTML file to write.
        summary: JSON file to write: everything that the page shows.

    Returns:
        The content of the summary.

    Raises:
        RegistryError: MLflow fails.
    """
    with stage("report", config.name):
        chosen = read_json(selection)
        promotion = read_json(verdict)
        registered = read_json(registration)
        aliases = [CHALLENGER, CHAMPION] if promotion["promoted"] else [CHALLENGER]
        planned = [read_json(folder / POLICY) for folder in policies]
        trained = {record["policy"]: record for record in planned}
        earlier = [read_json(folder / POLICY) for folder in earlier_evaluations(plan)]
        known = {record["policy"]: {**record, "reused": True} for record in earlier} | trained
        build = {
            "title": config.name,
            "build_id": build_id,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "palm_version": __version__,
            "reward_names": config.reward_names,
            "metric_names": [metric.name for metric in config.metrics],
            "beta": config.beta,
            "design": read_json(design),
            "reference": read_json(rollouts / "reference.json"),
            "policies": [
                {**record, **{key: known[record["policy"]][key] for key in _OF_TRAINING}}
                for record in chosen.pop("policies")
            ],
            **training_spent(Trained(**record) for record in trained.values()).model_dump(),
            "earlier": len(earlier),
            "from_version": read_json(plan / PLAN)["from_version"],
            "selection": chosen,
            "registration": {**registered, "aliases": aliases},
            "promotion": promotion,
            "samples": _samples(config, rollouts, [*evaluations, *earlier_evaluations(plan)], chosen["portfolio"]),
            "config_yaml": config.to_yaml(),
            "kfp_mlflow_run": plugin_link(),
        }
        write_json(summary, build)
        write_report(build, page)
        # Where the task that runs last finds it, whatever comes in between.
        Records(config.storage.root).write_file(page_name(build_id), page)
        finish_build(config, run_id=registered["run_id"], files=[page, summary])
    return build


def _samples(config: PortfolioConfig, rollouts: Path, evaluations: list[Path], portfolio: list[str]) -> list[dict]:
    """The same few held-out prompts, answered by the reference and by every policy of the portfolio."""
    tables = {"reference": read_rollouts(rollouts / "eval.parquet", config.reward_names)}
    folders = {read_json(folder / "evaluation.json")["policy"]: folder for folder in evaluations}
    for name in portfolio:
        tables[name] = read_rollouts(folders[name] / "samples.parquet", config.reward_names)
    prompts = tables["reference"].prompts
    shown = np.linspace(0, len(prompts) - 1, min(_SAMPLE_PROMPTS, len(prompts))).astype(int)
    return [
        {
            "prompt": prompts[index],
            "responses": [_response(config, name, table, index) for name, table in tables.items()],
        }
        for index in shown
    ]


def _response(config: PortfolioConfig, name: str, table: Rollouts, prompt: int) -> dict:
    """The first sampled response, not the best one: what a user would have got."""
    values = zip(config.reward_names, table.rewards[prompt, 0], strict=True)
    return {
        "policy": name,
        "response": table.responses[prompt][0],
        "rewards": {key: float(value) for key, value in values},
    }
