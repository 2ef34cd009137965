"""The tables of the study."""

import math

from results import Section
from study_cases import CONFIDENCE, Difference, Judged, Versus
from study_diversity import Spread

from palm.geometry.portfolio.statistics import ResampledGap

CLEAR = 2
"""Standard errors above 0 from which on a gain is called clear."""


def policy_section(origins: list[str], records: list[dict], reference: dict) -> Section:
    """Every policy against the reference at its own weights.

    Args:
        origins: which designs have each policy.
        records: its evaluation.
        reference: mean scores of the reference.

    Returns:
        The table.
    """
    scored = [*reference["rewards"], *reference["metrics"]]

    def scores(record: dict) -> list[str]:
        return [f"{entry['mean']:.3f}" for entry in (record["rewards"] | record["metrics"]).values()]

    rows = [["reference", "", *scores(reference), "0", "", "", "", "", ""]]
    for origin, record in zip(origins, records, strict=True):
        gain, share = record["gain"], record["share_of_gain"]
        rows.append(
            [
                origin,
                " ".join(f"{weight:.2f}" for weight in record["weights"]),
                *scores(record),
                f"{record['kl']['mean']:.3f}",
                f"{record['objective']['mean']:.3f}",
                f"{record['objective_reference']['mean']:.3f}",
                f"{gain['mean']:+.4f} ± {gain['standard_error']:.4f}",
                f"{_in_errors(record):.1f}",
                "" if share is None else f"{share:.0%}",
            ]
        )
    return Section(
        title="Policies against the reference",
        note=f"{_gains_in_words(records)} `gain`: J - J_ref, paired over all held-out prompts, with its standard "
        "error; `in se`: the gain in standard errors; `share`: of J* - J_ref, with J* estimated from the reference's "
        "rollouts.",
        columns=("designs", "weights", *scored, "KL", "J", "J_ref", "gain", "in se", "share"),
        rows=rows,
    )


def _in_errors(record: dict) -> float:
    gain = record["gain"]
    return gain["mean"] / gain["standard_error"] if gain["standard_error"] else math.copysign(math.inf, gain["mean"])


def _gains_in_words(records: list[dict]) -> str:
    sure = [_in_errors(record) for record in records]
    better = sum(record["gain"]["mean"] > 0 for record in records)
    clear = sum(ratio >= CLEAR for ratio in sure)
    return (
        f"J is above J_ref at its own weights for {better} of {len(records)} policies, by at least {CLEAR} standard "
        f"errors for {clear}; the least sure is at {min(sure):.1f} standard errors."
    )


def portfolio_section(judged: list[Judged], spreads: list[Spread | None], *, policies: int, prompts: int) -> Section:
    """What each candidate is worth.

    Args:
        judged: the candidates.
        spreads: diversity of the responses of each; None where there is none.
        policies: how many the yardstick has, the reference included.
        prompts: how many the candidates were judged on.

    Returns:
        The table.
    """
    rows = [
        [
            one.candidate.design,
            str(one.candidate.trained),
            one.candidate.method,
            str(one.candidate.size),
            _gap(one.epsilon),
            _gap(one.additive),
            f"{one.effective_policies:.2f}",
            f"{one.unused:g}",
            *(["", "", ""] if spread is None else _spread(spread)),
        ]
        for one, spread in zip(judged, spreads, strict=True)
    ]
    return Section(
        title="Portfolios",
        note=f"Worst case over all preferences, against the best of all {policies} policies of all designs, reference "
        f"included (the paper compares with the trained optimum of each preference). Members were chosen on half of "
        f"the held-out prompts and judged on the other {prompts}. In brackets: {CONFIDENCE:.0%} intervals, paired "
        f"bootstrap over prompts; a worst case is a maximum, which resampling pushes up, so that intervals lie rather "
        "high, and can lie above the estimate. `trained`: policies that the portfolio was chosen from. `whole`: the "
        "design is the portfolio; for random the mean over disjoint draws. `used`: exp of the entropy of the shares "
        "of preferences that members serve best, K where they share evenly; `unused`: members that serve none. Of the "
        "responses, over all held-out prompts: `Vendi` score and `distinct-2` of a prompt's responses by random "
        "members, and `kinds`, the effective number of different policies, with what equal policies would give by "
        "chance.",
        columns=(
            "design", "trained", "chosen", "K", "ε", "additive gap", "used", "unused", "Vendi", "distinct-2", "kinds",
        ),
        rows=rows,
    )  # fmt: skip


def _spread(spread: Spread) -> list[str]:
    return [
        f"{spread.vendi_score:.2f}",
        "" if spread.distinct is None else f"{spread.distinct:.3f}",
        f"{spread.effective_policies:.2f} ({spread.by_chance:.2f})",
    ]


def versus_section(compared: list[tuple[Judged, Judged]], differences: list[Versus]) -> Section:
    """Differences between candidates.

    Args:
        compared: pairs of candidates.
        differences: of each.

    Returns:
        The table.
    """
    rows = [
        [ours.candidate.label, other.candidate.label, *map(_change, (found.epsilon, found.additive, found.change))]
        for (ours, other), found in zip(compared, differences, strict=True)
    ]
    changes = [
        change
        for found in differences
        for change in (found.epsilon, found.additive, found.change)
        if change is not None
    ]
    clear = sum(change.significant for change in changes)
    return Section(
        title="Differences between portfolios",
        note=f"How much smaller the first one's gap is, and how much higher its best value in the mean over all "
        f"preferences: positive is for the first one. {CONFIDENCE:.0%} intervals, paired; `*`: without 0. {clear} of "
        f"{len(changes)} differences are significant; the others are not distinguishable on these prompts. No "
        "correction for looking at several.",
        columns=("first", "second", "ε", "additive gap", "mean best J"),
        rows=rows,
    )


def _gap(gap: ResampledGap | None) -> str:
    if gap is None:
        return "none up to 1"
    interval = gap.interval(CONFIDENCE)
    return f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _change(change: Difference | None) -> str:
    if change is None:
        return ""
    return f"{change.estimate:+.3f} [{change.low:+.3f}, {change.high:+.3f}]{' *' if change.significant else ''}"
