"""The compare-and-set of the champion, its log and its alias, against a real MLflow on SQLite."""

import pytest
from support.errors import one_line
from support.small_portfolio import judged

from palm.errors import ConfigError, ConflictError, RegistryError
from palm.promotion import Promotions, promotions


def test_what_passes_becomes_champion_and_what_is_refused_changes_nothing(desk):
    assert desk.promotions.champion() is None
    assert desk.promote("1", None).model_dump(exclude={"schema_version", "checks"}) == {
        "promoted": True,
        "reason": "gap 0.05 is within 0.1",
        "version": "1",
        "previous_version": None,
        "log_entry": 1,
        "confidence": 0.95,
    }
    assert desk.alias == desk.promotions.champion() == "1" and desk.verdict("1") == "promoted"
    refused = desk.promote("2", "1", passed=False, reason="gap 0.3 exceeds 0.1")
    assert (refused.promoted, refused.reason, refused.previous_version) == (False, "gap 0.3 exceeds 0.1", "1")
    assert desk.alias == "1" and len(desk.history.entries) == 1 and desk.verdict("2") == "refused"
    verdict = desk.promote("3", "1")
    assert verdict.previous_version == "1" and verdict.checks == judged().checks
    entries = desk.history.entries
    assert [(entry.before, entry.after, entry.previous) for entry in entries] == [(None, "1", 0), ("1", "3", 1)]
    assert entries[1].gate.checks == judged().checks


def test_the_champion_of_an_address_and_a_model_is_the_same(desk, config):
    desk.promote_all("1")
    by_address = promotions(config.registry.tracking_uri, desk.model)
    assert isinstance(by_address, Promotions) and by_address.champion() == "1"
    for model in ("small-promotions", "a\nb", ""):
        with one_line(ConfigError, "model"):
            promotions(config.registry.tracking_uri, model)


def test_an_address_is_taken_with_the_workspace_of_the_process(monkeypatch):
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    found = promotions("http://127.0.0.1:9", "small")
    assert found.client.registry.workspace == "team"
    with pytest.raises(RegistryError, match="MLflow failed"):
        found.champion()


def test_who_was_compared_with_an_older_champion_is_not_promoted_and_stays_unjudged(desk):
    desk.promote_all("1", "2")
    late = desk.promote("3", "1")
    assert not late.promoted and late.log_entry is None and late.previous_version == "2"
    assert "version 2" in late.reason and "version 1" in late.reason and "run it again" in late.reason
    assert desk.verdict("3") is None and desk.alias == "2"
    assert desk.promote("3", "2").promoted


def test_a_retry_finishes_what_a_killed_promotion_began(desk):
    desk.promote_all("1")
    # Killed after the append.
    desk.append(before="1", after="2", gate=judged(against="1"))
    assert desk.alias == "1"
    again = desk.promote("2", "2", passed=False, reason="no better than itself")
    assert again.promoted and again.reason == "good" and again.log_entry == 2
    assert desk.alias == "2" and desk.verdict("2") == "promoted" and len(desk.history.entries) == 2


def test_of_two_that_saw_the_same_head_the_first_wins(desk):
    desk.promote_all("1")
    seen = desk.log.tail()
    assert desk.append(seen=seen, before="1", after="2").number == 2
    with pytest.raises(ConflictError, match=r"promotion of version 3: the champion is version 2 .* version 1") as lost:
        desk.append(seen=seen, before="1", after="3")
    assert lost.value.champion == "2" and lost.value.retry_may_help
    # The void entry takes no part: the next one is built on what won.
    assert desk.append(before="1", after="4").previous == 2
    assert [entry.valid for entry in desk.history.entries] == [True, True, False, True]


def test_a_request_that_was_sent_twice_has_won_if_it_won_once(desk):
    desk.promote_all("1")
    first = desk.append(before="1", after="2")
    # The connection was lost after the first was written, and MLflow's client has sent it again.
    desk.mlflow.create_model_version(desk.log.name, source="palm:/twice", tags=first.tags())
    found = desk.log.read()
    assert [entry.number for entry in found.valid] == [1, 2] and [entry.number for entry in found.void] == [3]
    assert desk.log.tail().head.number == 2


def test_a_champion_from_before_there_was_a_log(desk):
    desk.mlflow.set_registered_model_alias(desk.model, "champion", "3")
    assert desk.promotions.champion() == "3" and desk.promotions.repair(who="test") == []
    assert not desk.promote("4", None).promoted
    assert desk.promote("4", "3").previous_version == "3"
    assert desk.history.entries[0].before == "3"


def test_an_alias_that_was_moved_by_hand_is_reported_and_repaired(desk, caplog):
    desk.promote_all("1")
    desk.mlflow.set_registered_model_alias(desk.model, "champion", "4")
    (problem,) = desk.history.problems
    assert problem == "alias champion is version 4, the log says version 1: run `palm repair CONFIG`"
    assert desk.promotions.champion() == "1" and desk.alias == "4" and "the log says 1" in caplog.text
    assert desk.promotions.repair(who="test") == ["alias champion was version 4, set to version 1"]
    assert not desk.history.problems and desk.promotions.repair(who="test") == []
    desk.mlflow.delete_registered_model_alias(desk.model, "champion")
    assert "absent" in desk.history.problems[0]
    assert desk.promotions.champion(fix_alias=True) == "1" == desk.alias
