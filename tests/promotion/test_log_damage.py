"""A promotion log of which somebody has deleted or edited entries, or its mark."""

import pytest

from palm.errors import ConflictError, DamagedError, RegistryError

MARK = "palm.promotion_log"
FORGOTTEN = "a rollback among them holds no run back any more"


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
