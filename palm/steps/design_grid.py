"""Step: the preference weights to train, with the certificate of their coverage."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from palm.artifacts.design import Design, Predicted
from palm.builds.checks.design import design_arguments
from palm.builds.reuse import reuse_or_make
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.rollouts import read_rollouts
from palm.geometry.adaptive.predicted import predicted_design
from palm.geometry.preferences.design import design_grid as design
from palm.geometry.preferences.request import PREDICTED
from palm.progress import Stage, deadline, stage
from palm.storage.digest import file_digest
from palm.storage.store import Store


def design_grid(config: PortfolioConfig, rollouts: Path, destination: Path) -> Design:
    """Design the grid, from rollouts if the strategy is predicted, and write design.json to a file or into a folder.

    The design is kept in the store: another search under a time limit may end with other preference weights, and so
    with other policies to train.
    """
    definition = {"objectives": len(config.rewards), **config.design.model_dump(), "schema_version": Design.VERSION}
    if config.design.strategy == PREDICTED:
        definition["rollouts"] = file_digest(rollouts / "train.parquet")
    with stage("design_grid", config.design.strategy) as progress, TemporaryDirectory() as scratch:

        def make(folder: Path) -> None:
            made = _predicted(config, rollouts) if config.design.strategy == PREDICTED else _grid(config, progress)
            made.write(folder)

        folder = Path(scratch) / "design"
        reuse_or_make(Store(config.storage.root), "design", definition, folder, make)
        result = Design.read(folder)
        result.write(destination)
    return result


def corner_weights(config: PortfolioConfig) -> list[list[float]]:
    """Unit vectors of the d rewards if policies are or start from soups, whose corner policies they are; else none.

    Corner policies are trained first, so that no two tasks train the same one.
    """
    return np.eye(len(config.rewards)).tolist() if "soup" in config.training.backends else []


def _grid(config: PortfolioConfig, progress: Stage) -> Design:
    limit = config.design.time_limit_seconds
    seconds_left = deadline(limit)

    def on_cover(size: int) -> None:
        progress.advance(round(limit - seconds_left()), round(limit), f"seconds, best cover {size}")

    made = design(**design_arguments(config), seconds_left=seconds_left, on_cover=on_cover)
    return Design.model_validate(made.to_dict())


def _predicted(config: PortfolioConfig, rollouts: Path) -> Design:
    """Choose weights from the rollouts of the training prompts, and certify them like any grid."""
    rewards = read_rollouts(rollouts / "train.parquet", config.reward_names).rewards
    chosen = predicted_design(
        rewards, config.design.size, beta=config.beta, seconds_left=deadline(config.design.time_limit_seconds)
    )
    arguments = {**design_arguments(config), "strategy": "weights", "weights": chosen.weights, "size": None}
    predicted = Predicted(
        epsilon=chosen.epsilon,
        trusted=chosen.trusted,
        effective_sample_size=chosen.prediction.effective_sample_size.tolist(),
        smallest_effective_sample_size=chosen.prediction.smallest_effective_sample_size.tolist(),
        optimum_bias=chosen.prediction.optimum_bias.tolist(),
        samples_per_prompt=rewards.shape[1],
    )
    certified = design(**arguments).to_dict()
    return Design.model_validate({**certified, "strategy": PREDICTED, "predicted": predicted})
