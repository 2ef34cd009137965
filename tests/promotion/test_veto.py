"""What a person has rolled back from, no run promotes again."""

from support.small_portfolio import judged

from palm.registry.content import POLICIES


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
