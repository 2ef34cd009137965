"""Portfolios that are registered without being trained, and versions that only have a number."""

import json
from pathlib import Path

import mlflow

from palm.registry.register import register
from palm.serving.verification import ROUTING
from palm.storage.digest import folder_digests


def write_small_portfolio(folder: Path, text: str = "weights") -> Path:
    """A portfolio folder of two policies whose files hold a text."""
    for name in ("policy-a", "policy-b"):
        (folder / "adapters" / name).mkdir(parents=True)
        (folder / "adapters" / name / "adapter_model.safetensors").write_text(f"{text} of {name}")
    (folder / ROUTING).write_text(json.dumps({"reward_names": ["length", "vowels"], "sha256": folder_digests(folder)}))
    return folder


def small_selection() -> dict:
    """What select_portfolio says of three policies."""
    mean = {"mean": 0.5, "standard_error": 0.01}
    keys = ("objective", "objective_reference", "objective_optimum", "gain", "kl", "response_tokens")
    record = {
        **dict.fromkeys(keys, mean),
        "weights": [0.5, 0.5],
        "rewards": {"length": mean, "vowels": mean},
        "metrics": {},
        "share_of_gain": 0.5,
        "effective_sample_size": 9.0,
        "smallest_effective_sample_size": None,
        "truncation_rate": 0.0,
        "diversity": {"vendi_score": mean},
    }
    return {
        "epsilon": 0.05,
        "epsilon_bound": 0.05,
        "additive_gap": 0.02,
        "delta": 0.0,
        "method": "exact",
        "portfolio": ["policy-a", "policy-b"],
        "policies": [{**record, "policy": f"policy-{letter}"} for letter in "abc"],
    }


def small_logs() -> dict:
    """Training logs of the same."""
    steps = [{"step": step, "loss": 0.1, "reward": 0.5, "kl": 0.2} for step in range(3)]
    return {f"policy-{letter}": steps for letter in "abc"}


def make_versions(registry, count: int) -> mlflow.MlflowClient:
    """Registered versions without files."""
    client = mlflow.MlflowClient(registry.tracking_uri, registry.tracking_uri)
    client.create_registered_model(registry.model)
    for _ in range(count):
        client.create_model_version(registry.model, source="palm:/nothing", await_creation_for=0)
    return client


def register_small(config, portfolio: Path, build_id: str) -> dict:
    """Register a portfolio folder as a build would; what `register` returns."""
    return register(
        config,
        build_id=build_id,
        portfolio=portfolio,
        selection=small_selection(),
        logs=small_logs(),
        artifacts=[portfolio / ROUTING],
    )


def judged(passed: bool = True, *, against: str | None = None, reason: str = "gap 0.05 is within 0.1") -> dict:
    """What a gate says."""
    check = {"name": "epsilon", "value": 0.05, "bound": 0.06, "limit": 0.1, "passed": passed}
    return {"passed": passed, "reason": reason, "against": against, "checks": [check]}


def registered(config, folder: Path, text: str) -> dict:
    """Register a portfolio folder of this content; what `register` returns."""
    portfolio = write_small_portfolio(folder / f"portfolio-{text}", text)
    return register_small(config, portfolio, f"build-{text}")
