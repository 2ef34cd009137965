"""The compare-and-set of the champion, its log and its alias, against a real MLflow on SQLite."""

import pytest
from support.errors import one_line
from support.small_portfolio import judged

from palm.errors import ConfigError, ConflictError, DamagedError, RegistryError
from palm.promotion import Promotions, promotions
from palm.promotion.entry import ROLLBACK
from palm.registry.content import POLICIES

MARK = "palm.promotion_log"
FORGOTTEN = "a rollback among them holds no run back any more"


class Desk:
    """Promotions of versions that all have the same files, and MLflow's own view of them."""

    def __init__(self, config, client):
        self.model, self.mlflow = config.registry.model, client
        self.promotions = promotions(config)
        self.log = self.promotions.log

    def promote(self, version: str, against: str | None, **judgement):
        return self.promotions.promote(version, judged(against=against, **judgement), who="test")

    def promote_all(self, *versions: str) -> None:
        against = None
        for version in versions:
            assert self.promote(version, against).promoted
            against = version

    def append(self, *, before: str, after: str, kind: str = "promotion", seen=None, **more):
        entry = {"before": before, "after": after, "kind": kind, "why": "good", "who": "test"}
        return self.log.append(seen or self.log.tail(), **entry | more)

    def roll_back(self, before: str, after: str) -> None:
        """By a person, and without what `rollback` verifies."""
        self.append(before=before, after=after, kind=ROLLBACK, why="rude answers", who="ann@desk")
        self.promotions.champion(fix_alias=True)

    @property
    def alias(self) -> str:
        # With SQLite itself MLflow gives a number, over HTTP text.
        return str(self.mlflow.get_registered_model(self.model).aliases.get("champion"))

    @property
    def history(self):
        return self.promotions.history()

    def verdict(self, version: str) -> str | None:
        return self.mlflow.get_model_version(self.model, version).tags.get("palm.verdict")


@pytest.fixture
def desk(versions):
    return Desk(*versions)


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


def test_a_deleted_entry_is_reported_and_a_repair_keeps_the_champion(desk):
    desk.promote_all("1", "2", "3")
    desk.mlflow.delete_model_version(desk.log.name, "2")
    assert desk.history.problems == ("entry 2 of the log is missing: somebody has deleted or edited it",)
    for call in (desk.log.tail, lambda: desk.promote("4", "3")):
        with pytest.raises(DamagedError, match="lacks entry 2"):
            call()
    assert desk.alias == "3"
    assert desk.promotions.repair(who="test") == [
        f"entry 4 records deleted or edited entries: 2; champion is version 3; {FORGOTTEN}"
    ]
    assert desk.promote("4", "3").promoted and desk.alias == "4"
    found = desk.history
    kinds = [(entry.number, entry.kind) for entry in found.entries]
    assert kinds == [(1, "promotion"), (3, "promotion"), (4, "repair"), (5, "promotion")]
    assert all(entry.valid for entry in found.entries) and len(found.problems) == 1 and found.noted == (2,)
    assert desk.promotions.repair(who="test") == []


DAMAGES = {
    "the newest entry deleted": lambda desk: desk.mlflow.delete_model_version(desk.log.name, "3"),
    "the newest entries deleted": lambda desk: [desk.mlflow.delete_model_version(desk.log.name, n) for n in "32"],
    "all entries deleted": lambda desk: [desk.mlflow.delete_model_version(desk.log.name, n) for n in "321"],
    "the log deleted": lambda desk: desk.mlflow.delete_registered_model(desk.log.name),
    "the newest entry edited": lambda desk: desk.mlflow.set_model_version_tag(desk.log.name, "3", "to", "1"),
    "a tag of the newest entry deleted": lambda desk: desk.mlflow.delete_model_version_tag(desk.log.name, "3", "gate"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_deleted_from_the_end_of_the_log_stops_promotion_until_a_repair(desk, damage):
    desk.promote_all("1", "2", "3")
    DAMAGES[damage](desk)
    calls = [
        desk.promotions.champion,
        lambda: desk.promotions.champion(fix_alias=True),
        lambda: desk.promote("4", "3"),
        lambda: desk.promote("4", "3", passed=False),
        lambda: desk.promotions.promote_by_hand("4", why="wish", who="test", override=True),
        lambda: desk.promotions.rollback(why="wish", who="test"),
    ]
    for call in calls:
        with pytest.raises(DamagedError, match=r"^promotion log small-promotions: lacks .*`palm repair CONFIG`"):
            call()
    assert desk.alias == "3" and not desk.mlflow.search_model_versions("name = 'small-promotions' and tags.to = '4'")
    assert any("entry 3 of the log is missing" in problem for problem in desk.history.problems)
    (line,) = desk.promotions.repair(who="test")
    assert "champion is version 3" in line and line.endswith(FORGOTTEN)
    assert desk.promotions.champion() == desk.alias == "3" and desk.promotions.repair(who="test") == []
    assert len(desk.history.problems) == len(desk.history.noted)
    assert desk.promote("4", "3").promoted and desk.alias == "4"


def test_a_repair_that_was_killed_is_completed_by_the_next(desk):
    desk.promote_all("1", "2")
    mark = desk.mlflow.get_registered_model(desk.model).tags[MARK]
    desk.mlflow.delete_registered_model(desk.log.name)
    desk.promotions.repair(who="killed before the mark")
    desk.mlflow.set_registered_model_tag(desk.model, MARK, mark)
    with pytest.raises(DamagedError, match="lacks"):
        desk.promotions.champion()
    assert desk.promotions.repair(who="test") and desk.promotions.champion() == "2"


def test_without_log_and_alias_a_person_must_say_what_is_served(desk):
    desk.promote_all("1")
    desk.mlflow.delete_registered_model(desk.log.name)
    desk.mlflow.delete_registered_model_alias(desk.model, "champion")
    with pytest.raises(RegistryError, match="give the alias to the version that is served"):
        desk.promotions.repair(who="test")


def test_a_mark_that_is_behind_the_log_is_no_damage(desk):
    """A writer was killed after its entry, or an older palm, which knows no mark, has written too."""
    desk.promote_all("1")
    desk.append(before="1", after="2")
    desk.append(before="2", after="3")
    assert desk.promotions.champion(fix_alias=True) == "3" == desk.alias
    desk.mlflow.delete_registered_model_tag(desk.model, MARK)
    assert desk.promote("4", "3").promoted
    assert MARK in desk.mlflow.get_registered_model(desk.model).tags


def test_an_edited_mark_is_an_error_of_one_line(desk):
    desk.promote_all("1")
    desk.mlflow.set_registered_model_tag(desk.model, MARK, "5")
    with pytest.raises(DamagedError, match=rf"^small: tag {MARK}: is no mark .*`palm repair CONFIG`"):
        desk.promotions.champion()
    assert "is no mark" in desk.history.problems[0]
    assert desk.promotions.repair(who="test") == ["the mark of the promotion log was edited, set to entry 1"]
    assert desk.promotions.champion() == "1" and desk.promotions.repair(who="test") == []
    desk.mlflow.delete_model_version(desk.log.name, "1")
    with pytest.raises(DamagedError, match="lacks entry 1"):
        desk.promotions.champion()


def test_an_edited_mark_of_a_deleted_log_is_repaired_too(desk):
    desk.promote_all("1", "2")
    desk.mlflow.delete_registered_model(desk.log.name)
    desk.mlflow.set_registered_model_tag(desk.model, MARK, "{}")
    (line,) = desk.promotions.repair(who="test")
    assert "entries: all; champion is version 2, which has the alias: check" in line
    assert desk.promotions.champion() == "2" and desk.promotions.repair(who="test") == []


@pytest.mark.parametrize("change", ["a version of somebody else", "an edited kind", "an edited gate"])
def test_a_version_that_is_no_entry_stops_promotion_until_a_repair(desk, change):
    desk.promote_all("1", "2", "3")
    if change == "a version of somebody else":
        desk.mlflow.create_model_version(desk.log.name, source="palm:/by-hand")
    else:
        desk.mlflow.set_model_version_tag(desk.log.name, "1", change.split()[-1], "{wish")
    for call in (lambda: desk.promote("4", "3"), lambda: desk.promotions.certified.manifest("2")):
        with pytest.raises(DamagedError, match=r"^promotion log small-promotions: lacks entry [14]: .*palm repair"):
            call()
    assert "is missing" in desk.history.problems[0]
    (line,) = desk.promotions.repair(who="test")
    assert "champion is version 3;" in line
    assert desk.promote("4", "3").promoted


@pytest.mark.parametrize("damage", ["deleted", "edited"])
def test_a_veto_is_not_lifted_by_who_edits_or_deletes_its_entry(desk, damage):
    desk.promote_all("1", "2")
    desk.roll_back("2", "1")
    for version, against in (("3", "1"), ("4", "3")):
        assert desk.promote(version, against).promoted
    if damage == "deleted":
        desk.mlflow.delete_model_version(desk.log.name, "3")
    else:
        desk.mlflow.set_model_version_tag(desk.log.name, "3", "kind", "repair")
    for call in (lambda: desk.promote("2", "4"), lambda: desk.promotions.certified.manifest("4"), desk.log.read):
        with pytest.raises(DamagedError, match="lacks entry 3"):
            call()
    assert desk.promotions.champion() == "4"
    (line,) = desk.promotions.repair(who="test")
    assert "entries: 3; champion is version 4;" in line and desk.promote("1", "4").promoted


@pytest.mark.parametrize("later", [(), ("4",)])
def test_an_entry_that_lost_cannot_be_edited_to_have_won(desk, later):
    desk.promote_all("1")
    seen = desk.log.tail()
    desk.append(before="1", after="2")
    with pytest.raises(ConflictError):
        desk.append(seen=seen, before="1", after="3")
    for version in ("1", *later):
        assert desk.promote(version, desk.promotions.champion()).promoted
    desk.mlflow.set_model_version_tag(desk.log.name, "3", "prev", "2")
    # The end of the log does not hold it any more once more was built upon the winner.
    for call in (desk.log.read,) if later else (desk.log.read, desk.log.tail):
        with pytest.raises(DamagedError, match="lacks entry 3"):
            call()
    champion = (later or ("1",))[-1]
    assert f"champion is version {champion};" in desk.promotions.repair(who="test")[0]
    assert desk.promotions.champion() == champion


def test_entries_of_an_older_palm_seal_nothing(desk):
    desk.promote_all("1", "2")
    for number in "12":
        tags = desk.mlflow.get_model_version(desk.log.name, number).tags
        for key in tags.keys() & {"sealed", "policies", "baseline", "missing"}:
            desk.mlflow.delete_model_version_tag(desk.log.name, number, key)
    desk.mlflow.delete_registered_model_tag(desk.model, MARK)
    assert [entry.sealed for entry in desk.log.read().valid] == [None, None]
    assert desk.promote("3", "2").promoted
    assert desk.log.tail().head.sealed.number == 2


def test_the_log_of_an_older_palm_is_marked_by_whoever_may_write(desk):
    desk.promote_all("1", "2")
    desk.mlflow.delete_registered_model_tag(desk.model, MARK)
    assert desk.promotions.champion() == "2" and MARK not in desk.mlflow.get_registered_model(desk.model).tags
    assert desk.promotions.champion(fix_alias=True) == "2"
    desk.mlflow.delete_model_version(desk.log.name, "2")
    with pytest.raises(DamagedError, match="lacks entry 2"):
        desk.promotions.champion()


def test_a_repair_keeps_the_champion_of_an_intact_head_whatever_has_the_alias(desk):
    desk.promote_all("1", "2", "3")
    desk.mlflow.delete_model_version(desk.log.name, "1")
    desk.mlflow.set_registered_model_alias(desk.model, "champion", "4")
    first, second = desk.promotions.repair(who="test")
    assert "champion is version 3;" in first and second == "alias champion was version 4, set to version 3"
    assert desk.promotions.champion() == desk.alias == "3"


def test_a_repair_by_the_alias_says_so_and_keeps_what_was_champion_as_a_baseline(desk):
    desk.promote_all("1", "2", "3")
    desk.mlflow.delete_model_version(desk.log.name, "3")
    (line,) = desk.promotions.repair(who="test")
    assert "champion is version 3, which has the alias: check that it is the right one" in line
    assert desk.promotions.baseline() == ("2",)
    assert desk.log.tail().head.manifest


def test_a_run_does_not_promote_what_a_person_has_rolled_back(desk):
    desk.promote_all("1", "2")
    desk.roll_back("2", "1")
    again = desk.promote("2", "1")
    assert not again.promoted and "ann@desk has rolled back from version 2 (rude answers)" in again.reason
    assert desk.promotions.champion() == "1" and desk.history.refused[0].why == again.reason
    # Another version is another matter, and a version that it has replaced may come back.
    assert desk.promote("3", "1").promoted and desk.promote("1", "3").promoted


def test_a_rollback_holds_though_the_gate_has_refused_the_version_in_between(desk):
    desk.promote_all("1", "2")
    desk.roll_back("2", "1")
    desk.promote("2", "1", passed=False)
    assert not desk.promote("2", "1").promoted and desk.alias == "1"


def test_a_rollback_holds_though_the_gate_never_passed_the_version(desk):
    desk.promote_all("1")
    desk.promote("2", "1", passed=False)
    desk.append(before="1", after="2", why="try it", who="ann@desk")
    desk.roll_back("2", "1")
    assert not desk.promote("2", "1").promoted and desk.alias == "1"


def test_a_rollback_holds_though_the_promoter_was_killed_before_it_recorded_the_verdict(desk):
    desk.promote_all("1")
    desk.append(before="1", after="2", gate=judged(against="1"))
    desk.roll_back("2", "1")
    assert desk.verdict("2") is None
    assert not desk.promote("2", "1").promoted and desk.alias == "1"


def test_a_rollback_takes_back_all_versions_since(desk):
    desk.promote_all("1", "2", "3")
    desk.roll_back("3", "1")
    for version in "23":
        assert not desk.promote(version, "1").promoted
    assert desk.promote("4", "1").promoted


def test_only_a_person_ends_a_veto(desk):
    desk.promote_all("1", "2", "3")
    desk.roll_back("3", "2")
    desk.promote("4", "2")
    assert not desk.promote("3", "4").promoted
    desk.append(before="4", after="3", why="it was the data", who="ann@desk")
    assert desk.promote("1", "3").promoted and desk.promote("3", "1").promoted


def test_a_rollback_holds_for_the_same_policies_in_another_version(desk):
    for version, policies in {"1": "good", "2": "harmful", "3": "harmful", "4": "other"}.items():
        desk.mlflow.set_model_version_tag(desk.model, version, POLICIES, policies)
    desk.promote_all("1", "2")
    desk.roll_back("2", "1")
    again = desk.promote("3", "1")
    assert not again.promoted and "rolled back from version 2, which has the same policies (rude" in again.reason
    # What an older palm has logged is looked up; what this one has logged is known after the version is deleted.
    desk.mlflow.delete_model_version(desk.model, "2")
    assert not desk.promote("3", "1").promoted
    assert desk.promote("4", "1").promoted
    # By a person, the veto ends for all of them.
    desk.append(before="4", after="3", why="it was the data", who="ann@desk", policies="harmful")
    assert desk.promote("1", "3").promoted and desk.promote("3", "1").promoted


def test_the_policies_of_what_an_older_palm_has_logged_are_looked_up(desk):
    for version in "23":
        desk.mlflow.set_model_version_tag(desk.model, version, POLICIES, "harmful")
    desk.promote_all("1")
    desk.append(before="1", after="2")
    desk.roll_back("2", "1")
    assert not desk.promote("3", "1").promoted


def test_a_rollback_to_the_same_policies_holds_for_the_version_alone(desk):
    """What was wrong with it was not its policies."""
    for version in "123":
        desk.mlflow.set_model_version_tag(desk.model, version, POLICIES, "same")
    desk.promote_all("1", "2")
    desk.promotions.rollback(why="rude answers", who="ann@desk")
    again = desk.promote("2", "1")
    assert not again.promoted and "palm promote CONFIG --version 2 --override" in again.reason
    assert desk.promote("3", "1").promoted
