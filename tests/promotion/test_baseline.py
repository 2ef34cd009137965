"""The baseline: the best champions since a person last reset it, against which no run may lose much."""

import pytest
from support.gate_setting import GateSetting
from support.small_portfolio import judged, make_versions, register_small, write_small_portfolio

from palm.config.load import load_config
from palm.errors import RegistryError
from palm.promotion import promotions


@pytest.fixture
def portfolio(config, workspace):
    """Promotions of three versions with files; the gate has promoted two, the first of which stays better somewhere."""
    for number in "123":
        register_small(config, write_small_portfolio(workspace / number, number), f"build-{number}")
    found = promotions(config)
    found.promote("1", judged(), who="gate")
    found.promote("2", judged(against="1").model_copy(update={"baseline": ("1",)}), who="gate")
    return found


def promote_third(portfolio) -> tuple[str, ...]:
    """The baseline after the gate has seen that versions 1 and 2 are better than 3 somewhere."""
    judgement = judged(against=portfolio.champion()).model_copy(update={"baseline": ("2", "1")})
    assert portfolio.promote("3", judgement, who="gate").promoted
    return portfolio.baseline()


def test_promotions_that_each_lose_little_are_stopped_before_they_lose_much(workspace):
    setting = GateSetting(workspace)
    setting.noise = 0
    versions, level, refused = {}, 0.70, ""
    config = load_config(workspace / "portfolio.yaml")
    make_versions(config.registry, 20)
    portfolio = promotions(config)
    for number in map(str, range(1, 21)):
        champion = portfolio.champion()
        if champion is not None:
            baseline = [(version, versions[version], "") for version in portfolio.baseline()]
            setting.champion(champion, versions[champion], baseline=baseline)
        versions[number] = {f"policy-{number}": (level, level)}
        verdict = portfolio.promote(number, setting.judge(versions[number]), who="gate")
        if not verdict.promoted:
            refused = verdict.reason
            break
        level -= 0.018
    assert number == "3" and portfolio.champion() == "2" and "against version 1 0.0360" in refused


def test_the_gate_says_what_stays_in_the_baseline(portfolio):
    assert portfolio.baseline() == ("1",) and promote_third(portfolio) == ("2", "1")


def test_a_promotion_by_hand_keeps_the_baseline_and_a_reset_begins_it(portfolio):
    entry = portfolio.promote_by_hand("3", why="wish", who="ann", override=True)
    assert entry.baseline == portfolio.baseline() == ("1", "2")
    with pytest.raises(RegistryError, match="has no reason to begin a new baseline; give --reason"):
        portfolio.promote_by_hand("3", why="", who="ann", reset_baseline=True)
    entry = portfolio.promote_by_hand("3", why="shorter is right", who="ann", reset_baseline=True)
    assert (entry.before, entry.after, entry.why) == ("3", "3", "baseline reset: shorter is right")
    assert portfolio.baseline() == () and portfolio.champion() == "3" and not portfolio.history().problems
    # A rollback goes back over it in one step, to the baseline of then.
    assert portfolio.rollback(why="wish", who="ann").after == "2" and portfolio.baseline() == ("1",)


def test_a_rollback_goes_back_to_the_baseline_of_then(portfolio):
    """What is taken back may look excellent under rewards that are gamed."""
    promote_third(portfolio)
    portfolio.rollback(why="rude", who="ann")
    assert portfolio.champion() == "2" and portfolio.baseline() == ("1",)
    portfolio.rollback(why="rude", who="ann")
    assert portfolio.champion() == "1" and portfolio.baseline() == ()


def test_a_reset_while_a_build_runs_counts(portfolio):
    portfolio.promote_by_hand("2", why="shorter is right", who="ann", reset_baseline=True)
    assert promote_third(portfolio) == ("2",)


def test_a_repair_keeps_the_baseline(portfolio, client):
    client.delete_model_version(portfolio.log.name, "1")
    portfolio.repair(who="ann")
    assert portfolio.baseline() == ("1",)


def test_the_baseline_of_a_log_of_an_older_palm_begins_at_its_champion(portfolio, client):
    for number in "12":
        for key in ("baseline", "policies", "sealed"):
            if key in client.get_model_version(portfolio.log.name, number).tags:
                client.delete_model_version_tag(portfolio.log.name, number, key)
    client.delete_registered_model_tag(portfolio.model, "palm.promotion_log")
    assert portfolio.champion() == "2" and portfolio.baseline() == ()
    assert promote_third(portfolio) == ("2",)
