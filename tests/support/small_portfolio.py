"""Portfolios that are registered without being trained, and versions that only have a number."""

from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from support.measurements import evaluation

from palm.artifacts.policy import TrainingLog
from palm.artifacts.registration import Registration
from palm.artifacts.routing import RecordedBase, RoutedPolicy, Routing
from palm.artifacts.selection import Candidate, Selection
from palm.artifacts.verdict import Check, Judgement
from palm.promotion import promotions
from palm.registry.client import Client
from palm.registry.content import Build
from palm.registry.experiment import ensure_experiment
from palm.registry.manifest import MANIFEST_TAG, write_manifest
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.storage.digest import folder_digests
from palm.storage.manifest import MANIFEST

MEMBERS, POLICIES = ("policy-a", "policy-b"), ("policy-a", "policy-b", "policy-c")


def write_small_portfolio(folder: Path, text: str = "weights") -> Path:
    """A portfolio folder of two policies whose files hold a text."""
    for name in MEMBERS:
        (folder / "adapters" / name).mkdir(parents=True)
        (folder / "adapters" / name / "adapter_model.safetensors").write_text(f"{text} of {name}")
    Routing(
        reward_names=("length", "vowels"),
        policies=[RoutedPolicy(policy=name, value_vector=(0.5, 0.5), folder=f"adapters/{name}") for name in MEMBERS],
        base_model=RecordedBase(source="s3://palm/base", dtype="float32", sha256="0" * 64),
        max_new_tokens=8,
        sha256=folder_digests(folder),
    ).write(folder)
    return folder


def small_selection(**changes) -> Selection:
    """Two of three policies; unless changed, it has only what registration and the gate look at."""
    values = {
        "epsilon": 0.05,
        "epsilon_bound": 0.05,
        "additive_gap": 0.02,
        "delta": 0.0,
        "method": "exact",
        "portfolio": MEMBERS,
        "policies": tuple(small_candidate(name) for name in POLICIES),
        "interval": None,
        "missing": (),
        "min_policies": len(POLICIES),
    }
    return Selection.model_construct(**values | changes)


def small_candidate(policy: str, **changes) -> Candidate:
    measured = evaluation(policy).model_dump(exclude={"schema_version"})
    return Candidate(**measured | changes, earlier=False)


def small_logs() -> dict[str, TrainingLog]:
    steps = [{"step": step, "loss": 0.1, "reward": 0.5, "kl": 0.2} for step in range(3)]
    return dict.fromkeys(POLICIES, TrainingLog(steps=steps))


def make_versions(registry, count: int) -> mlflow.MlflowClient:
    """Versions that all have the files of one run."""
    client = mlflow.MlflowClient(registry.tracking_uri, registry.tracking_uri)
    run = client.create_run(ensure_experiment(Client(registry))).info
    with TemporaryDirectory() as name:
        folder = write_small_portfolio(Path(name) / "portfolio")
        client.log_artifacts(run.run_id, str(folder), "version/portfolio")
        manifest = {MANIFEST_TAG: write_manifest(folder.parent)}
        client.log_artifact(run.run_id, str(folder.parent / MANIFEST), "version")
    client.set_terminated(run.run_id)
    client.create_registered_model(registry.model)
    for _ in range(count):
        client.create_model_version(
            registry.model, source=f"{run.artifact_uri}/version", run_id=run.run_id, tags=manifest, await_creation_for=0
        )
    return client


def register_small(config, portfolio: Path, build_id: str) -> Registration:
    build = Build(build_id, portfolio, small_selection(), small_logs(), [portfolio / Routing.FILE])
    return PortfolioRegistry(config).register(build)


def registered(config, folder: Path, text: str) -> Registration:
    return register_small(config, write_small_portfolio(folder / f"portfolio-{text}", text), f"build-{text}")


def judged(passed=True, *, against: str | None = None, reason="gap 0.05 is within 0.1", check="epsilon") -> Judgement:
    checks = (Check(name=check, value=0.05, bound=0.06, limit=0.1, passed=passed),)
    return Judgement(passed=passed, reason=reason, against=against, confidence=0.95, checks=checks)


def promote(config, version: str, *, against: str | None = None, **judgement):
    return promotions(config).promote(version, judged(against=against, **judgement), who="gate")
