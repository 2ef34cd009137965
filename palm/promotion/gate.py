"""Gate before the alias `champion`: conditions on a portfolio, each decided by a confidence bound."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from palm.artifacts.evaluation import Evaluation
from palm.artifacts.selection import Selection
from palm.artifacts.verdict import GAP_CHECK, Check, Judgement
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.measured import MeasuredByPrompt, measured_by_prompt, measured_reference, resamples
from palm.geometry.portfolio.statistics import Comparison, resampled_shares
from palm.progress import weights_label
from palm.promotion.comparison import Champion, loss_against, read_champion

_FEWEST_PROMPTS = 8
"""Fewer held-out prompts are too few to resample."""
_MISSING = "policies whose training failed"
_NO_LOSS = 1e-6
"""Losses up to here are those of equal policies; the linear programs are not more precise."""
_RESET = (
    "to compare with no champion before this one any more: palm promote CONFIG --override --reset-baseline --reason …"
)


def judge(config: PortfolioConfig, *, selection: Selection, evaluations: list[Path], plan: Path) -> Judgement:
    """Judge a portfolio by bounds on the same prompts, under the present rewards.

    Args:
        evaluations: evaluation folders of this build's policies and of the earlier candidates.
        plan: folder of the step plan_training, with the champion's policies under the present rewards.
    """
    champion = read_champion(config, plan)
    folders = {Evaluation.read(folder).policy: folder for folder in evaluations}
    members = selection.portfolio
    ours = measured_by_prompt(config, [folders[name] for name in members])
    losses = {} if champion is None else {standard.version: _loss(config, ours, standard) for standard in champion.all}
    checks = [_prompts(ours), _missing(selection), _gap(config, selection)]
    checks += _reference(config, ours, measured_reference(config, plan))
    checks += _largest_losses(losses, champion)
    checks.append(_guards(selection))
    checks += _metrics(config, members, ours)
    checks = [check for check in checks if check is not None]
    return Judgement(
        passed=all(check.passed for check in checks),
        reason=_reason(checks, config.promotion.confidence),
        against=champion and champion.version,
        confidence=config.promotion.confidence,
        checks=checks,
        baseline=[version for version, check in losses.items() if check.value is not None and check.value > _NO_LOSS],
    )


def _reason(checks: list[Check], confidence: float) -> str:
    failed = [check for check in checks if not check.passed]
    if failed:
        return "; ".join(f"{_in_words(check)}; {check.remedy}" for check in failed)
    figures = "; ".join(_in_words(check) for check in checks if check.bound is not None)
    missing = "".join(f"; {_in_words(check)}" for check in checks if check.name == _MISSING)
    return f"{figures} (bounds at {confidence:.0%}){missing}"


def _in_words(check: Check) -> str:
    if check.bound is None:
        return f"{check.name}: {check.detail}"
    detail = f" at {check.detail}" if check.detail else ""
    relation = "keeps" if check.passed else "breaks"
    return f"{check.name} {check.value:.4f} (bound {check.bound:.4f}){detail} {relation} the limit {check.limit:g}"


def _prompts(ours: MeasuredByPrompt) -> Check | None:
    count = len(np.unique(ours.groups))
    if count >= _FEWEST_PROMPTS:
        return None
    detail, remedy = f"{count} are too few for any bound", f"give at least {_FEWEST_PROMPTS}, better hundreds"
    if count < len(ours.groups):
        detail = f"{len(ours.groups)} are {count} different ones, too few for any bound"
    return _unbounded("held-out prompts", count, _FEWEST_PROMPTS, passed=False, detail=detail, remedy=remedy)


def _missing(selection: Selection) -> Check | None:
    """Names the missing policies; whether they are too many was decided before the selection."""
    missing = selection.missing
    if not missing:
        return None
    detail = "; ".join(f"{weights_label(entry.weights)}: {entry.error}" for entry in missing)
    trained = sum(not candidate.earlier for candidate in selection.policies)
    limit = trained + len(missing) - selection.min_policies
    passed, remedy = len(missing) <= limit, "run the build again"
    return _unbounded(_MISSING, len(missing), limit, passed=passed, detail=detail, remedy=remedy)


def _gap(config: PortfolioConfig, selection: Selection) -> Check:
    epsilon, limit, interval = selection.epsilon, config.promotion.max_epsilon, selection.interval
    if interval is None:
        detail = "it has no bound, as some resampled prompts leave no ε"
        remedy = "raise selection.delta or give more held-out prompts"
        return _unbounded(GAP_CHECK, epsilon, limit, passed=False, detail=detail, remedy=remedy)
    bound = max(interval.upper, epsilon)
    remedy = "raise selection.size, train more weight vectors, or give more held-out prompts"
    return Check(name=GAP_CHECK, value=epsilon, bound=bound, limit=limit, passed=bound <= limit, remedy=remedy)


def _largest_losses(losses: dict[str, Check], champion: Champion | None) -> list[Check]:
    """The loss against the champion, and the worst of those against the baseline."""
    if champion is None:
        return []
    checks = [losses[champion.version]]
    before = [losses[earlier.version] for earlier in champion.baseline]
    if before:
        worst = max(before, key=lambda check: math.inf if check.bound is None else check.bound)
        checks.append(worst.model_copy(update={"remedy": f"{worst.remedy}; {_RESET}"}))
    return checks


def _loss(config: PortfolioConfig, ours: MeasuredByPrompt, champion: Champion) -> Check:
    limit, name = config.promotion.max_loss, f"largest loss of any preference against version {champion.version}"
    if champion.incomparable:
        detail = f"{champion.incomparable}, so J cannot be compared"
        remedy = "look at both and decide by hand: palm promote --override"
        return _unbounded(name, None, limit, passed=False, detail=detail, remedy=remedy)
    return _largest_loss(config, name, loss_against(config, champion.measured, ours), limit)


def _largest_loss(config: PortfolioConfig, name: str, compared: Comparison, limit: float) -> Check:
    bound = float(max(compared.loss_upper, compared.largest_loss))
    weights = zip(config.reward_names, compared.worst_weights, strict=True)
    return Check(
        name=name,
        value=compared.largest_loss,
        bound=bound,
        limit=limit,
        passed=bound <= limit,
        detail=", ".join(f"{reward} {weight:.2f}" for reward, weight in weights),
        remedy="train longer or more weight vectors, raise selection.size, or give more held-out prompts",
    )


def _reference(config: PortfolioConfig, ours: MeasuredByPrompt, reference: MeasuredByPrompt) -> list[Check]:
    """The mean gain over the reference, and the loss against it, as against a champion.

    Policies that are all useless are close to each other, so only the reference shows it. A gain that is shown for each
    preference by itself would be too much to ask: for some there may be nothing to gain.
    """
    compared, limit = loss_against(config, reference, ours), config.promotion.min_gain
    bound = float(min(compared.mean_change_lower, compared.mean_change))
    gain = Check(
        name="mean gain over the reference",
        value=compared.mean_change,
        bound=bound,
        limit=limit,
        passed=bound >= limit,
        remedy="train longer, or give more held-out prompts; for a trial that gains nothing lower promotion.min_gain",
    )
    name = "largest loss of any preference against the reference"
    return [gain, _largest_loss(config, name, compared, max(config.promotion.max_loss, -limit))]


def _guards(selection: Selection) -> Check:
    members = [candidate for candidate in selection.policies if candidate.policy in selection.portfolio]
    marked = sorted((member.policy, member.guard.message) for member in members if member.guard is not None)
    detail = "; ".join(f"{policy}: {message}" for policy, message in marked)
    remedy = "lower training.learning_rate or train longer"
    name = "guards that fired in training"
    return _unbounded(name, len(marked), 0, passed=not marked, detail=detail, remedy=remedy)


def _metrics(config: PortfolioConfig, members: Sequence[str], ours: MeasuredByPrompt) -> list[Check]:
    """The least mean of each limited metric over the portfolio's policies, with its lower bound."""
    names = [metric.name for metric in config.metrics]
    shares = resampled_shares(ours.groups, resamples(config), config.evaluation.seed)
    checks = []
    for name, limit in config.promotion.min_metrics.items():
        values = ours.metrics[:, :, names.index(name)]
        means = values.mean(axis=1)
        worst = int(means.argmin())
        value, resampled = float(means[worst]), (shares @ values.T).min(axis=1)
        bound = min(float(np.quantile(resampled, 1 - config.promotion.confidence)), value)
        checks.append(
            Check(
                name=f"metric {name}",
                value=value,
                bound=bound,
                limit=limit,
                passed=bound >= limit,
                detail=members[worst],
                remedy="a reward may be gamed: look at the samples on the page",
            )
        )
    return checks


def _unbounded(name: str, value: float | None, limit: float, *, passed: bool, detail: str, remedy: str) -> Check:
    return Check(name=name, value=value, bound=None, limit=limit, passed=passed, detail=detail, remedy=remedy)
