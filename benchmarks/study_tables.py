"""The tables of the study."""

import numpy as np
from results import Section
from study_cases import CONFIDENCE, RESAMPLES, Difference, Gain, Judged, Versus

from palm.portfolio.statistics import ResampledGap


def policy_section(
    names: dict[str, tuple[int, ...]], weights: np.ndarray, records: list[dict], reference: dict, found: list[Gain]
) -> Section:
    """Every policy against the reference at its own weights.

    Args:
        names: design to the indices of its policies.
        weights: shape (n, d).
        records: evaluations, length n.
        reference: mean scores of the reference.
        found: gains, length n.

    Returns:
        The table.
    """
    scored = [*reference["rewards"], *reference["metrics"]]

    def scores(record: dict) -> list[str]:
        return [f"{entry['mean']:.3f}" for entry in (record["rewards"] | record["metrics"]).values()]

    rows = [["reference", "", *scores(reference), "0", "", "", "", "", ""]]
    for number, (record, gain) in enumerate(zip(records, found, strict=True)):
        share = record["share_of_gain"]
        rows.append(
            [
                ", ".join(name for name, members in names.items() if number in members),
                " ".join(f"{weight:.2f}" for weight in weights[number]),
                *scores(record),
                f"{record['kl']['mean']:.3f}",
                f"{gain.objective:.3f}",
                f"{gain.reference:.3f}",
                f"{gain.difference.mean:.4f} ± {gain.difference.standard_error:.4f}",
                f"{gain.difference.mean / gain.difference.standard_error:.1f}",
                "" if share is None else f"{share:.0%}",
            ]
        )
    return Section(
        title="Policies against the reference",
        note=f"{_gains_in_words(found)} `gain`: J - J_ref, paired over all held-out prompts, with its standard error; "
        "`in se`: the gain in standard errors; `share`: of J* - J_ref, J* estimated from the reference's rollouts.",
        columns=("designs", "weights", *scored, "KL", "J", "J_ref", "gain", "in se", "share"),
        rows=rows,
    )


def _gains_in_words(found: list[Gain]) -> str:
    ratios = [gain.difference.mean / gain.difference.standard_error for gain in found]
    better = sum(gain.difference.mean > 0 for gain in found)
    clear = sum(ratio >= 2 for ratio in ratios)
    return (
        f"J is above J_ref at its weights for {better} of {len(found)} policies, by at least two standard errors for "
        f"{clear}; the least sure is {min(ratios):.1f} standard errors above."
    )


def portfolio_section(judged: list[Judged], *, policies: int, prompts: int) -> Section:
    """What each candidate is worth.

    Args:
        judged: the candidates.
        policies: how many are in the yardstick, the reference included.
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
        ]
        for one in judged
    ]
    return Section(
        title="Portfolios",
        note=f"Worst case over all preferences, against the best of all {policies} policies of all designs, reference "
        f"included (the paper compares with the trained optimum of each preference). Members were chosen on half of "
        f"the held-out prompts and judged on the other {prompts}. In brackets: {CONFIDENCE:.0%} intervals, paired "
        f"bootstrap over prompts, {RESAMPLES} resamples. `trained`: policies that the portfolio was chosen from. "
        "`whole`: the design is the portfolio; for random the mean over disjoint draws. `effective`: exp of the "
        "entropy of the shares of preferences that members serve best; `unused`: members that serve none.",
        columns=("design", "trained", "chosen", "K", "ε", "additive gap", "effective", "unused"),
        rows=rows,
    )


def versus_section(compared: dict[tuple[str, str], Versus]) -> Section:
    """Differences between candidates.

    Args:
        compared: labels of the two candidates to their comparison.

    Returns:
        The table.
    """
    rows = [
        [ours, other, *(_change(change) for change in (found.epsilon, found.additive, found.change))]
        for (ours, other), found in compared.items()
    ]
    changes = [
        change
        for found in compared.values()
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


def _gap(gap: ResampledGap) -> str:
    interval = gap.interval(CONFIDENCE)
    return f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _change(change: Difference | None) -> str:
    if change is None:
        return ""
    return f"{change.estimate:+.3f} [{change.low:+.3f}, {change.high:+.3f}]{' *' if change.significant else ''}"
