"""Step: the preference weights to train, with the certificate of their coverage."""

from pathlib import Path
from tempfile import TemporaryDirectory

from palm.config import PortfolioConfig
from palm.deadline import deadline
from palm.preferences.design import check_request
from palm.preferences.design import design_grid as design
from palm.progress import stage
from palm.stages.reuse import reuse_or_make
from palm.storage.files import read_json, write_json
from palm.storage.store import Store

FILE = "design.json"


def design_grid(config: PortfolioConfig, destination: Path) -> list[list[float]]:
    """Design the grid and write it as JSON.

    A design is kept in the store: a search under a time limit may end elsewhere the next time, and other preference
    weights would mean other policies to train.

    Args:
        config: the configuration.
        destination: JSON file to write, in the form that `palm design --json` prints.

    Returns:
        The preference weights, n lists of length d.

    Raises:
        WeightsError: the strategy or its numbers are out of their domain.
    """
    definition = {"objectives": len(config.rewards), **config.design.model_dump()}
    with stage("design_grid", config.design.strategy) as progress, TemporaryDirectory() as scratch:

        def make(folder: Path) -> None:
            limit = config.design.time_limit_seconds
            seconds_left = deadline(limit)

            def on_cover(size: int) -> None:
                progress.advance(round(limit - seconds_left()), round(limit), f"seconds, best cover {size}")

            result = design(**_arguments(config), seconds_left=seconds_left, on_cover=on_cover)
            write_json(folder / FILE, result.to_dict())

        folder = Path(scratch) / "design"
        reuse_or_make(Store(config.storage.root), "design", definition, folder, make)
        result = read_json(folder / FILE)
        write_json(destination, result)
    return result["weights"]


def check_design(config: PortfolioConfig) -> None:
    """Check what a configuration asks of its design, without making it.

    Args:
        config: the configuration.

    Raises:
        WeightsError: the strategy or its numbers are out of their domain.
    """
    arguments = _arguments(config)
    del arguments["seed"]
    check_request(**arguments)


def _arguments(config: PortfolioConfig) -> dict:
    """The arguments of the design that a configuration asks for."""
    return {"objectives": len(config.rewards), **config.design.model_dump(exclude={"time_limit_seconds"})}
