"""The compare-and-set of the champion, its log and its alias, against a real MLflow on SQLite."""

import pytest
from support.small_portfolio import judged

from palm.errors import ConflictError, DamagedError
from palm.promotion.alias import current_champion
from palm.promotion.entry import ROLLBACK
from palm.promotion.history import history, repair
from palm.promotion.log import PromotionLog
from palm.promotion.promote import promote


def champion(config, client) -> str:
    # With SQLite itself MLflow gives a number, over HTTP text.
    return str(client.get_registered_model(config.registry.model).aliases.get("champion"))


def up(config, version: str, against: str | None, **more) -> dict:
    return promote(config, version=version, judgement=judged(against=against, **more), who="test")


def test_what_passes_becomes_champion_and_what_is_refused_changes_nothing(versions):
    config, client = versions
    model = config.registry.model
    assert current_champion(config.registry) is None
    assert up(config, "1", None) == {
        "promoted": True,
        "reason": "gap 0.05 is within 0.1",
        "version": "1",
        "previous_version": None,
        "checks": judged()["checks"],
        "log_entry": 1,
    }
    assert champion(config, client) == current_champion(config.registry) == "1"
    assert client.get_model_version(model, "1").tags["palm.verdict"] == "promoted"
    refused = up(config, "2", "1", passed=False, reason="gap 0.3 exceeds 0.1")
    assert (refused["promoted"], refused["reason"], refused["previous_version"]) == (False, "gap 0.3 exceeds 0.1", "1")
    assert champion(config, client) == "1" and len(history(config)["entries"]) == 1
    assert client.get_model_version(model, "2").tags["palm.verdict"] == "refused"
    assert up(config, "3", "1")["previous_version"] == "1"
    entries = history(config)["entries"]
    assert [(entry["from"], entry["to"], entry["prev"]) for entry in entries] == [(None, "1", 0), ("1", "3", 1)]
    assert entries[1]["gate"]["checks"] == judged()["checks"]


def test_who_was_compared_with_an_older_champion_is_not_promoted_and_stays_unjudged(versions):
    config, client = versions
    up(config, "1", None)
    up(config, "2", "1")
    late = up(config, "3", "1")
    assert not late["promoted"] and late["log_entry"] is None and late["previous_version"] == "2"
    assert "version 2" in late["reason"] and "version 1" in late["reason"] and "run it again" in late["reason"]
    assert "palm.verdict" not in client.get_model_version(config.registry.model, "3").tags
    assert champion(config, client) == "2"
    assert up(config, "3", "2")["promoted"]


def test_a_retry_finishes_what_a_killed_promotion_began(versions):
    config, client = versions
    up(config, "1", None)
    log = PromotionLog(client, config.registry.model)
    # As far as the append, and killed.
    log.append(log.tail(), before="1", after="2", kind="promotion", why="good", who="killed", gate=judged(against="1"))
    assert champion(config, client) == "1"
    again = up(config, "2", "2", passed=False, reason="no better than itself")
    assert again["promoted"] and again["reason"] == "good" and again["log_entry"] == 2
    assert champion(config, client) == "2"
    assert client.get_model_version(config.registry.model, "2").tags["palm.verdict"] == "promoted"
    assert len(history(config)["entries"]) == 2


def test_of_two_that_saw_the_same_head_the_first_wins(versions):
    config, client = versions
    up(config, "1", None)
    log = PromotionLog(client, config.registry.model)
    seen = log.tail()
    common = {"before": "1", "kind": "promotion", "why": "good", "who": "test"}
    assert log.append(seen, after="2", **common).number == 2
    with pytest.raises(ConflictError, match=r"promotion of version 3: the champion is version 2 .* version 1") as lost:
        log.append(seen, after="3", **common)
    assert lost.value.champion == "2" and lost.value.retry_may_help
    # The void entry takes no part: the next one is built on what won.
    assert log.append(log.tail(), after="4", **common).previous == 2
    assert [entry["valid"] for entry in history(config)["entries"]] == [True, True, False, True]


def test_a_request_that_was_sent_twice_has_won_if_it_won_once(versions):
    config, client = versions
    log = PromotionLog(client, config.registry.model)
    up(config, "1", None)
    first = log.append(log.tail(), before="1", after="2", kind="promotion", why="good", who="test")
    # The connection was lost after the first was written, and MLflow's client has sent it again.
    client.create_model_version(log.name, source="palm:/twice", tags=first.to_tags())
    found = log.read()
    assert [entry.number for entry in found.valid] == [1, 2] and [entry.number for entry in found.void] == [3]
    assert log.tail().head.number == 2


def test_a_champion_from_before_there_was_a_log(versions):
    config, client = versions
    client.set_registered_model_alias(config.registry.model, "champion", "3")
    assert current_champion(config.registry) == "3" and repair(config, who="test") == []
    assert not up(config, "4", None)["promoted"]
    assert up(config, "4", "3")["previous_version"] == "3"
    assert history(config)["entries"][0]["from"] == "3"


def test_an_alias_that_was_moved_by_hand_is_told_and_mended(versions):
    config, client = versions
    up(config, "1", None)
    client.set_registered_model_alias(config.registry.model, "champion", "4")
    assert history(config)["problems"] == [
        "alias champion is version 4, the log says version 1: run `palm repair CONFIG`"
    ]
    assert repair(config, who="test") == ["alias champion was version 4, set to version 1"]
    assert history(config)["problems"] == [] and repair(config, who="test") == []
    client.delete_registered_model_alias(config.registry.model, "champion")
    assert "absent" in history(config)["problems"][0]
    assert current_champion(config.registry) == "1" == champion(config, client)


def test_a_deleted_entry_is_told_and_a_repair_goes_on_from_what_is_served(versions):
    config, client = versions
    for version, against in (("1", None), ("2", "1"), ("3", "2")):
        up(config, version, against)
    log = PromotionLog(client, config.registry.model)
    client.delete_model_version(log.name, "2")
    assert history(config)["problems"] == ["entry 2 of the log is missing: somebody has deleted it"]
    with pytest.raises(DamagedError, match="lacks entry 2"):
        log.tail()
    with pytest.raises(DamagedError, match="lacks entry 2"):
        up(config, "4", "3")
    assert champion(config, client) == "3"
    assert repair(config, who="test") == ["entry 4 takes note of deleted entries: 2; champion is version 3"]
    assert up(config, "4", "3")["promoted"] and champion(config, client) == "4"
    found = history(config)
    assert [(entry["number"], entry["kind"]) for entry in found["entries"]] == [
        (1, "promotion"),
        (3, "promotion"),
        (4, "repair"),
        (5, "promotion"),
    ]
    assert all(entry["valid"] for entry in found["entries"]) and len(found["problems"]) == 1
    assert repair(config, who="test") == []


def test_the_newest_entry_deleted_shows_as_an_alias_that_the_log_does_not_know(versions):
    config, client = versions
    up(config, "1", None)
    up(config, "2", "1")
    log = PromotionLog(client, config.registry.model)
    client.delete_model_version(log.name, "2")
    assert "alias champion is version 2, the log says version 1" in history(config)["problems"][0]
    # The number is not given again, so the next entry leaves the gap behind.
    with pytest.raises(DamagedError, match="lacks entry 2"):
        up(config, "3", "1")
    assert champion(config, client) == "2"
    repair(config, who="test")
    assert history(config)["champion"] == champion(config, client) == "2"


def test_a_version_that_is_no_entry_is_told(versions):
    config, client = versions
    up(config, "1", None)
    client.create_model_version(f"{config.registry.model}-promotions", source="palm:/by-hand")
    with pytest.raises(DamagedError, match="small-promotions version 2: is no entry of a promotion log"):
        history(config)


def test_a_run_does_not_promote_what_a_person_has_rolled_back(versions):
    config, client = versions
    up(config, "1", None)
    up(config, "2", "1")
    log = PromotionLog(client, config.registry.model)
    log.append(log.tail(), before="2", after="1", kind=ROLLBACK, why="rude answers", who="ann@desk")
    again = up(config, "2", "1")
    assert not again["promoted"] and "ann@desk has rolled back from version 2 (rude answers)" in again["reason"]
    assert current_champion(config.registry) == "1"
    # Another version is another matter, and what was superseded by it may come back.
    assert up(config, "3", "1")["promoted"] and up(config, "1", "3")["promoted"]
