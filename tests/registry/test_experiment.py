"""The experiment, before anything is spent."""

import pytest
from support.errors import one_line

from palm.errors import RegistryError
from palm.registry.client import Client
from palm.registry.experiment import check_usable, ensure_experiment
from palm.steps.detect_change import detect_change


@pytest.fixture
def deleted(config, client) -> str:
    """Id of the configuration's experiment, which somebody has deleted in MLflow's UI."""
    experiment = ensure_experiment(Client(config.registry))
    client.delete_experiment(experiment)
    return experiment


@pytest.mark.parametrize(
    "start",
    [
        lambda config, folder: check_usable(config.registry),
        lambda config, folder: ensure_experiment(Client(config.registry)),
        lambda config, folder: detect_change(config, folder / "changes.md"),
    ],
)
def test_a_deleted_experiment_is_told_at_the_start_with_what_helps(config, deleted, client, tmp_path, start):
    with one_line(RegistryError, "was deleted in MLflow", f"restore --experiment-id {deleted}"):
        start(config, tmp_path)
    client.restore_experiment(deleted)
    start(config, tmp_path)


def test_an_experiment_that_is_not_there_yet_is_no_problem(config, client):
    check_usable(config.registry)
    assert client.get_experiment_by_name(config.registry.experiment) is None
    assert ensure_experiment(Client(config.registry)) == ensure_experiment(Client(config.registry))
