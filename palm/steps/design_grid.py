"""Step: the preference weights to train, with the certificate of their coverage."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from palm.builds.checks.design import design_arguments
from palm.builds.reuse import reuse_or_make
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.rollouts import read_rollouts
from palm.geometry.adaptive.predicted import predicted_design
from palm.geometry.preferences.design import design_grid as design
from palm.geometry.preferences.request import PREDICTED
from palm.progress import Stage, deadline, stage
from palm.storage.digest import file_digest
from palm.storage.files import read_json, write_json
from palm.storage.store import Store

FILE = "design.json"


def design_grid(config: PortfolioConfig, rollouts: Path, destination: Path) -> dict:
    """Design the grid and write it as JSON.

    A design is kept in the store: a search under a time limit may end elsewhere the next time, and other preference
    weights would mean other policies to train.

    Args:
        config: the configuration.
        rollouts: folder of the step sample_reference.
        destination: JSON file to write, in the form that `palm design --json` prints; for strategy ``predicted``
            with ``predicted``: the gap that is expected and what the estimate rests on.

    Returns:
        ``weights``: the preference weights, n lists of length d; ``corners``: those of `corner_weights`.

    Raises:
        WeightsError: the strategy or its numbers are out of their domain.
        DataError: the rollouts are missing or malformed.
    """
    definition = {"objectives": len(config.rewards), **config.design.model_dump()}
    if config.design.strategy == PREDICTED:
        definition["rollouts"] = file_digest(rollouts / "train.parquet")
    with stage("design_grid", config.design.strategy) as progress, TemporaryDirectory() as scratch:

        def make(folder: Path) -> None:
            result = _predicted(config, rollouts) if config.design.strategy == PREDICTED else _grid(config, progress)
            write_json(folder / FILE, result)

        folder = Path(scratch) / "design"
        reuse_or_make(Store(config.storage.root), "design", definition, folder, make)
        result = read_json(folder / FILE)
        write_json(destination, result)
    return {"weights": result["weights"], "corners": corner_weights(config)}


def corner_weights(config: PortfolioConfig) -> list[list[float]]:
    """The policies that others are made from: trained first, or parallel trainings would each train them.

    Args:
        config: the configuration.

    Returns:
        The unit vectors of the rewards, d lists of length d, if policies are or start from soups; else none.
    """
    if "soup" not in config.training.backends:
        return []
    return np.eye(len(config.rewards)).tolist()


def _grid(config: PortfolioConfig, progress: Stage) -> dict:
    limit = config.design.time_limit_seconds
    seconds_left = deadline(limit)

    def on_cover(size: int) -> None:
        progress.advance(round(limit - seconds_left()), round(limit), f"seconds, best cover {size}")

    return design(**design_arguments(config), seconds_left=seconds_left, on_cover=on_cover).to_dict()


def _predicted(config: PortfolioConfig, rollouts: Path) -> dict:
    """Choose from the training prompts' rollouts; the cells of the choice are described like those of any grid."""
    rewards = read_rollouts(rollouts / "train.parquet", config.reward_names).rewards
    chosen = predicted_design(
        rewards, config.design.size, beta=config.beta, seconds_left=deadline(config.design.time_limit_seconds)
    )
    arguments = {**design_arguments(config), "strategy": "weights", "weights": chosen.weights, "size": None}
    return {
        **design(**arguments).to_dict(),
        "strategy": PREDICTED,
        "predicted": {
            "epsilon": chosen.epsilon,
            "trusted": chosen.trusted,
            "effective_sample_size": chosen.prediction.effective_sample_size.tolist(),
            "smallest_effective_sample_size": chosen.prediction.smallest_effective_sample_size.tolist(),
            "optimum_bias": chosen.prediction.optimum_bias.tolist(),
            "samples_per_prompt": rewards.shape[1],
        },
    }
