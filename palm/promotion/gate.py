"""The gate before the alias `champion`: what a portfolio must be shown to be, at a stated confidence."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from palm.config.portfolio import PortfolioConfig
from palm.evaluation.measured import MeasuredByPrompt, measured_by_prompt, resamples
from palm.progress import weights_label
from palm.promotion.comparison import Champion, loss_against, read_champion
from palm.promotion.promote import GAP_CHECK
from palm.storage.files import read_json

FEWEST_PROMPTS = 8
"""With fewer held-out prompts, drawing them again says nothing of how others would do."""


_MISSING = "policies whose training failed"


@dataclass(frozen=True)
class Check:
    """One condition of the gate.

    Attributes:
        name: what is looked at.
        value: the estimate; None if there is none.
        bound: its confidence bound on the unfavourable side, which decides; None if there is none.
        limit: what the bound is compared with.
        passed: whether it is met.
        detail: where the value is reached, or why there is none.
        remedy: what can be done where it is not met.
    """

    name: str
    value: float | None
    bound: float | None
    limit: float
    passed: bool
    detail: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Judgement:
    """What the gate says of a portfolio.

    Attributes:
        passed: whether every check is met.
        reason: in words, with the figures that decided.
        against: version of the champion that it was compared with; None if there was none.
        confidence: of each bound by itself.
        checks: all conditions.
    """

    passed: bool
    reason: str
    against: str | None
    confidence: float
    checks: list[Check]

    def to_dict(self) -> dict:
        """For the registry and the page."""
        return asdict(self)


def judge(config: PortfolioConfig, *, selection: dict, evaluations: list[Path], plan: Path) -> Judgement:
    """Judge a portfolio by bounds on the same prompts, under the present rewards.

    Args:
        config: the configuration.
        selection: content of the step select_portfolio's file.
        evaluations: evaluation folders of this build's policies and of the earlier candidates.
        plan: folder of the step plan_training, with the champion's policies under the present rewards.

    Returns:
        The judgement.

    Raises:
        DataError: an evaluation is missing or malformed.
    """
    champion = read_champion(config, plan)
    folders = {read_json(folder / "evaluation.json")["policy"]: folder for folder in evaluations}
    members = selection["portfolio"]
    ours = measured_by_prompt(config, [folders[name] for name in members])
    checks = [_prompts(ours), _missing(selection), _gap(config, selection), _loss(config, ours, champion)]
    checks.append(_guards(selection))
    checks += _metrics(config, members, ours)
    checks = [check for check in checks if check is not None]
    failed = [check for check in checks if not check.passed]
    confidence = config.promotion.confidence
    reason = (
        "; ".join(f"{_told(check)}; {check.remedy}" for check in failed)
        if failed
        else f"{'; '.join(_told(check) for check in checks if check.bound is not None)} (bounds at {confidence:.0%})"
        + "".join(f"; {_told(check)}" for check in checks if check.name == _MISSING)
    )
    return Judgement(not failed, reason, champion and champion.version, confidence, checks)


def _told(check: Check) -> str:
    if check.bound is None:
        return f"{check.name}: {check.detail}"
    detail = f" at {check.detail}" if check.detail else ""
    relation = "keeps" if check.passed else "breaks"
    return f"{check.name} {check.value:.4f} (bound {check.bound:.4f}){detail} {relation} the limit {check.limit:g}"


def _prompts(ours: MeasuredByPrompt) -> Check | None:
    count = ours.rewards.shape[1]
    if count >= FEWEST_PROMPTS:
        return None
    detail, remedy = f"{count} are too few for any bound", f"give at least {FEWEST_PROMPTS}, better hundreds"
    return Check("held-out prompts", float(count), None, float(FEWEST_PROMPTS), False, detail, remedy)


def _missing(selection: dict) -> Check | None:
    """Says who is missing; whether too many are was decided before the selection."""
    missing = selection["missing"]
    if not missing:
        return None
    detail = "; ".join(f"{weights_label(entry['weights'])}: {entry['error']}" for entry in missing)
    trained = sum(not record["earlier"] for record in selection["policies"])
    allowed = float(trained + len(missing) - selection["min_policies"])
    return Check(_MISSING, float(len(missing)), None, allowed, len(missing) <= allowed, detail, "run the build again")


def _gap(config: PortfolioConfig, selection: dict) -> Check:
    limit, interval = config.promotion.max_epsilon, selection["interval"]
    name, remedy = GAP_CHECK, "raise selection.size, train more weight vectors, or give more held-out prompts"
    if interval is None:
        detail = "it has no bound, as some resampled prompts leave no ε"
        remedy = "raise selection.delta or give more held-out prompts"
        return Check(name, selection["epsilon"], None, limit, False, detail, remedy)
    bound = max(interval["upper"], selection["epsilon"])
    return Check(name, selection["epsilon"], bound, limit, bound <= limit, remedy=remedy)


def _loss(config: PortfolioConfig, ours: MeasuredByPrompt, champion: Champion | None) -> Check | None:
    if champion is None:
        return None
    limit, name = config.promotion.max_loss, f"largest loss of any preference against version {champion.version}"
    if champion.incomparable:
        remedy = "look at both and decide by hand: palm promote --override"
        return Check(name, None, None, limit, False, f"{champion.incomparable}, so J cannot be compared", remedy)
    compared = loss_against(config, champion, ours)
    bound = max(compared.loss_upper, compared.largest_loss)
    where = ", ".join(
        f"{name} {weight:.2f}" for name, weight in zip(config.reward_names, compared.worst_weights, strict=True)
    )
    remedy = "train longer or more weight vectors, raise selection.size, or give more held-out prompts"
    return Check(name, compared.largest_loss, bound, limit, bound <= limit, where, remedy)


def _guards(selection: dict) -> Check:
    marked = {
        record["policy"]: record["guard"]["message"]
        for record in selection["policies"]
        if record["guard"] is not None and record["policy"] in selection["portfolio"]
    }
    name = "guards that fired in training"
    detail = "; ".join(f"{policy}: {message}" for policy, message in sorted(marked.items()))
    remedy = "lower training.learning_rate or train longer"
    return Check(name, float(len(marked)), None, 0.0, not marked, detail, remedy)


def _metrics(config: PortfolioConfig, members: list[str], ours: MeasuredByPrompt) -> list[Check]:
    """The least mean of each limited metric over the portfolio's policies, with its lower bound."""
    names = [metric.name for metric in config.metrics]
    rng = np.random.default_rng(config.evaluation.seed)
    prompts = ours.metrics.shape[1]
    shares = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=resamples(config)) / prompts
    checks = []
    for name, limit in config.promotion.min_metrics.items():
        values = ours.metrics[:, :, names.index(name)]
        means = values.mean(axis=1)
        worst = int(means.argmin())
        resampled = (shares @ values.T).min(axis=1)
        bound = min(float(np.quantile(resampled, 1 - config.promotion.confidence)), float(means[worst]))
        remedy = "a reward may be gamed: look at the samples on the page"
        checks.append(
            Check(f"metric {name}", float(means[worst]), bound, limit, bound >= limit, members[worst], remedy)
        )
    return checks
