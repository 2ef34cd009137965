"""Figures of the champion, also if its log was edited or damaged."""

from datetime import datetime

import pytest
from support.small_portfolio import make_versions, promote, registered

from palm.cluster.monitoring import metrics
from palm.cluster.monitoring.champion_figures import ChampionReader
from palm.errors import RegistryError
from palm.promotion import promotions


@pytest.fixture
def versions(config):
    return make_versions(config.registry, 3)


def promoted(config, *numbers: str) -> None:
    against = None
    for number in numbers:
        promote(config, number, against=against)
        against = number


def test_an_alias_moved_by_hand_and_a_deleted_champion_are_problems(config, versions, caplog):
    promoted(config, "1", "2", "3")
    reader = ChampionReader(config)
    figures = reader.read()
    assert figures[metrics.CHAMPION_VERSION] == 3 and figures[metrics.LOG_PROBLEMS] == 0
    # Of a version without a run nobody knows how good it is.
    assert not {metrics.CHAMPION_GAP, metrics.CHAMPION_BOUND, metrics.CHAMPION_POLICIES} & set(figures)
    entry = promotions(config).history().entries[-1]
    assert figures[metrics.CHAMPION_SINCE] == datetime.fromisoformat(entry.at).timestamp()
    versions.set_registered_model_alias(config.registry.model, "champion", "1")
    assert reader.read()[metrics.LOG_PROBLEMS] == 1 == reader.read()[metrics.LOG_PROBLEMS]
    assert caplog.text.count("alias champion is version 1") == 1
    versions.delete_model_version(config.registry.model, "3")
    figures = reader.read()
    assert figures[metrics.LOG_PROBLEMS] == 1 and figures[metrics.CHAMPION_VERSION] == 3


def test_a_deleted_entry_is_a_problem_until_a_repair_has_taken_note_of_it(config, versions):
    promoted(config, "1", "2", "3")
    versions.delete_model_version(f"{config.registry.model}-promotions", "2")
    assert ChampionReader(config).read()[metrics.LOG_PROBLEMS] == 1
    promotions(config).repair(who="test")
    assert ChampionReader(config).read()[metrics.LOG_PROBLEMS] == 0 and len(promotions(config).history().problems) == 1


def test_a_log_that_was_edited_is_a_problem_and_not_an_mlflow_that_is_down(config, versions, caplog):
    promoted(config, "1", "2")
    versions.set_model_version_tag(f"{config.registry.model}-promotions", "1", "kind", "wish")
    assert ChampionReader(config).read()[metrics.LOG_PROBLEMS] == 1
    assert "entry 1 of the log is missing: somebody has deleted or edited it" in caplog.text


def test_after_a_rollback_the_champion_is_one_since_then(config, tmp_path):
    for text in ("one", "two"):
        registered(config, tmp_path, text)
    promoted(config, "1", "2")
    entry = promotions(config).rollback(why="worse", who="test")
    figures = ChampionReader(config).read()
    assert figures[metrics.CHAMPION_VERSION] == 1 and figures[metrics.CHAMPION_GAP] == 0.05
    assert figures[metrics.CHAMPION_SINCE] == datetime.fromisoformat(entry.at).timestamp()


def test_an_sqlite_file_that_is_not_there_is_an_error_and_is_not_made(config, tmp_path):
    registry = config.registry.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path}/other.db"})
    with pytest.raises(RegistryError, match="does not exist"):
        ChampionReader(config.model_copy(update={"registry": registry})).read()
    assert not (tmp_path / "other.db").exists()
