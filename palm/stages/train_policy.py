"""Step: one policy for one vector of preference weights."""

import time
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from palm import __version__
from palm.config import PortfolioConfig
from palm.models.load import quiet_threads
from palm.progress import Stage, stage
from palm.stages.inputs import Inputs, base_model_digest, load_inputs
from palm.stages.reuse import reuse_or_make
from palm.storage.digest import file_digest
from palm.storage.files import read_json, write_json
from palm.storage.store import Store
from palm.training.objective import Problem
from palm.training.spec import PolicySpec, policy_spec


def train_policy(
    config: PortfolioConfig, weights: list[float], *, base_model: Path, rollouts: Path, destination: Path
) -> dict:
    """Train the policy of some preference weights, unless the store has it already.

    Args:
        config: the configuration.
        weights: preference weights, length d.
        base_model: prepared base model.
        rollouts: folder of the step sample_reference.
        destination: PEFT adapter folder to make, with policy.json and training_log.json beside the weights.

    Returns:
        The content of policy.json, with ``reused``: whether the store had it.

    Raises:
        PalmError: an input is unusable or training diverged.
    """
    quiet_threads()
    with stage("train_policy", " ".join(f"{weight:.3f}" for weight in weights)) as progress:
        inputs = load_inputs(config, rollouts)
        spec = policy_spec(
            config,
            weights,
            base_model=base_model_digest(base_model),
            prompts=file_digest(Path(config.prompts.train)),
            rewards=[source.fingerprint for source in inputs.rewards],
        )
        reused = reuse_or_make(
            Store(config.storage.root),
            "policy",
            spec.definition,
            destination,
            lambda folder: _train(config, spec, inputs, base_model, rollouts, folder, progress),
        )
    record = {**read_json(destination / "policy.json"), "reused": reused}
    write_json(destination / "policy.json", record)
    return record


def _train(
    config: PortfolioConfig,
    spec: PolicySpec,
    inputs: Inputs,
    base_model: Path,
    rollouts: Path,
    folder: Path,
    progress: Stage,
) -> None:
    from palm.training.adapters import save_adapter

    backend = import_module(f"palm.training.{config.training.backend}")
    start = time.perf_counter()
    with TemporaryDirectory() as scratch:
        trained = backend.train(
            Problem(
                config=config,
                preference_weights=spec.preference_weights,
                base_model=base_model,
                prompts=inputs.train,
                rewards=inputs.rewards,
                rollouts=rollouts,
                scratch=Path(scratch),
                on_step=progress.advance,
            )
        )
    save_adapter(trained.model, folder)
    write_json(folder / "training_log.json", {"steps": trained.log})
    write_json(
        folder / "policy.json",
        {
            "policy": spec.name,
            "weights": spec.preference_weights.tolist(),
            "reward_names": config.reward_names,
            "beta": config.beta,
            "backend": config.training.backend,
            "seed": config.training.seed,
            "palm_version": __version__,
            "training_seconds": time.perf_counter() - start,
            "definition": spec.definition,
        },
    )
