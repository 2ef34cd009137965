"""Step: the page of a build, and its data as one JSON file."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from palm import __version__
from palm.artifacts.design import Design
from palm.artifacts.evaluation import Evaluation, Reference
from palm.artifacts.plan import Plan
from palm.artifacts.policy import Policy
from palm.artifacts.registration import Registration
from palm.artifacts.selection import Selection
from palm.artifacts.summary import BuiltPolicy, Response, Sample, Summary
from palm.artifacts.verdict import Verdict
from palm.builds.rebuild.candidates import earlier_evaluations
from palm.builds.records import page_name
from palm.builds.training_spent import training_spent
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.rollouts import Rollouts, read_rollouts
from palm.progress import stage
from palm.registry.kfp_plugin import plugin_link
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.registry.version import CHAMPION
from palm.reporting.page import write_report
from palm.storage.records import Records

_SAMPLE_PROMPTS = 6
_TRAINING = {"backend", "training_seconds", "reused", "start"}


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
) -> Summary:
    """Write the page and the summary, and end the build's run in MLflow with them.

    In the policies ``reused`` is as in this build.
    """
    with stage("report", config.name):
        chosen, registered, judged = Selection.read(selection), Registration.read(registration), Verdict.read(verdict)
        aliases = (*registered.aliases, CHAMPION) if judged.promoted else registered.aliases
        measured_earlier = earlier_evaluations(plan)
        earlier = [Policy.read(folder) for folder in measured_earlier]
        built = {policy.policy: policy for policy in map(Policy.read, policies)}
        known = {policy.policy: policy.model_copy(update={"reused": True}) for policy in earlier} | built
        build = Summary(
            title=config.name,
            build_id=build_id,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            palm_version=__version__,
            reward_names=config.reward_names,
            metric_names=[metric.name for metric in config.metrics],
            beta=config.beta,
            design=Design.read(design),
            reference=Reference.read(rollouts),
            policies=[
                BuiltPolicy(**dict(candidate), **known[candidate.policy].model_dump(include=_TRAINING))
                for candidate in chosen.policies
            ],
            **training_spent(built.values()).model_dump(),
            earlier=len(earlier),
            from_version=Plan.read(plan).from_version,
            selection=chosen.model_copy(update={"policies": ()}),
            registration=registered.model_copy(update={"aliases": aliases}),
            promotion=judged,
            samples=_samples(config, rollouts, [*evaluations, *measured_earlier], chosen.portfolio),
            config_yaml=config.to_yaml(),
            kfp_mlflow_run=plugin_link(),
        )
        build.write(summary)
        write_report(build, page)
        # In the storage the task that runs last finds the page even if this one fails later.
        Records(config.storage.root).write_file(page_name(build_id), page)
        PortfolioRegistry(config).finish(registered.run_id, [page, summary])
    return build


def _samples(
    config: PortfolioConfig, rollouts: Path, evaluations: list[Path], portfolio: tuple[str, ...]
) -> list[Sample]:
    """The same few held-out prompts, answered by the reference and by each policy of the portfolio."""
    tables = {"reference": read_rollouts(rollouts / "eval.parquet", config.reward_names)}
    folders = {Evaluation.read(folder).policy: folder for folder in evaluations}
    for name in portfolio:
        tables[name] = read_rollouts(folders[name] / "samples.parquet", config.reward_names)
    prompts = tables["reference"].prompts
    shown = np.linspace(0, len(prompts) - 1, min(_SAMPLE_PROMPTS, len(prompts))).astype(int)
    return [
        Sample(
            prompt=prompts[index], responses=[_response(config, name, table, index) for name, table in tables.items()]
        )
        for index in shown
    ]


def _response(config: PortfolioConfig, name: str, table: Rollouts, prompt: int) -> Response:
    """The first sampled response, not the best one: what a user would have received."""
    rewards = dict(zip(config.reward_names, table.rewards[prompt, 0].tolist(), strict=True))
    return Response(policy=name, response=table.responses[prompt][0], rewards=rewards)
