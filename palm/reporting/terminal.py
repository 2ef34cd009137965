"""Summary of a build on the terminal: the policies, the portfolio, the registered version."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from palm.artifacts.evaluation import Mean
from palm.artifacts.summary import BuiltPolicy, Summary
from palm.progress import weights_label


def show_summary(summary: Summary, folder: Path, console: Console) -> None:
    """Print the summary of a build and the place of its report."""
    console.print(policy_table(summary))
    console.print(_portfolio_text(summary, folder), highlight=False, soft_wrap=True)


def policy_table(summary: Summary) -> Table:
    """Table of the reference and all candidates; ● marks the portfolio, ! a policy that a guard has marked."""
    names, metrics, reference = summary.reward_names, summary.metric_names, summary.reference
    title = f"Policies of {summary.title} on held-out prompts (β = {summary.beta:g})"
    table = Table(title=title, title_justify="left")
    for header in ("", "policy"):
        table.add_column(header, no_wrap=True)
    for header in ("weights", *names, *metrics, "KL", "J", "J − J_ref", "± se", "J*", "share"):
        table.add_column(header, justify="right", no_wrap=True)
    means = [*_means(reference.rewards, names), *_means(reference.metrics, metrics)]
    table.add_row("", "reference", "", *means, "0.000", *[""] * 5, end_section=True)
    for policy in sorted(summary.policies, key=lambda policy: policy.weights, reverse=True):
        table.add_row(
            ("●" if policy.policy in summary.selection.portfolio else "") + ("!" if policy.guard else ""),
            policy.policy,
            " ".join(f"{weight:.2f}" for weight in policy.weights),
            *_means(policy.rewards, names),
            *_means(policy.metrics, metrics),
            f"{policy.kl.mean:.3f}",
            f"{policy.objective.mean:.3f}",
            f"{policy.gain.mean:+.3f}",
            f"{policy.gain.standard_error:.3f}",
            f"{policy.objective_optimum.mean:.3f}",
            _share(policy),
        )
    return table


def _share(policy: BuiltPolicy) -> str:
    """Share of the possible gain; empty if noise decides it."""
    share, interval = policy.share_of_gain, policy.share_interval
    return "" if share is None or interval is None or interval.high - interval.low > 1 else f"{share:.0%}"


def _means(entries: Mapping[str, Mean], names: Sequence[str]) -> list[str]:
    return [f"{entries[name].mean:.3f}" for name in names]


def _training_text(summary: Summary) -> str:
    continued = f" ({len(summary.continued)} from earlier policies)" if summary.continued else ""
    parts = [
        f"{len(summary.trained)} trained{continued}",
        f"{len(summary.reused)} reused",
        f"{summary.device_seconds:.0f} device-seconds spent, {summary.device_seconds_saved:.0f} saved",
    ]
    if summary.earlier:
        parts.append(f"{summary.earlier} policies of version {summary.from_version} were candidates")
    return "; ".join(parts)


def _portfolio_text(summary: Summary, folder: Path) -> str:
    selection, promotion, registration = summary.selection, summary.promotion, summary.registration
    weights = {policy.policy: policy.weights for policy in summary.policies}
    worst = ", ".join(
        f"{name} {weight:.3f}" for name, weight in zip(summary.reward_names, selection.worst_weights, strict=True)
    )
    interval, diversity = selection.interval, selection.diversity
    lines = [
        *(f"[bold]![/] {policy.policy}: {escape(policy.guard.message)}" for policy in summary.policies if policy.guard),
        *(
            f"[bold]![/] no policy for {weights_label(missing.weights)}: {escape(missing.error)}"
            for missing in selection.missing
        ),
        f"[bold]Portfolio[/] of {len(selection.portfolio)} from {len(weights)} policies ({selection.method}):",
        *(
            f"  {name}  weights {' '.join(f'{w:.2f}' for w in weights[name])}  serves {selection.usage[name]:.1%}"
            for name in selection.portfolio
        ),
        f"[bold]Worst-case gap[/] ε = {selection.epsilon:.4f} at δ = {selection.delta:g}, against all trained "
        "policies, for every preference (certified); no portfolio of this size is below "
        f"{selection.epsilon_bound:.4f}",
        "  no interval: some resampled prompts leave no ε; use more held-out prompts or a larger selection.delta"
        if interval is None
        else f"  {interval.confidence:.0%} interval over prompts: {interval.low:.4f} to {interval.high:.4f}",
        f"  worst weights: {escape(worst)}",
        f"[bold]Diversity[/] responses differ as much as those of {diversity.effective_policies.mean:.2f} policies "
        f"with nothing in common ({diversity.effective_policies_by_chance.mean:.2f} if all policies were the same)",
        f"[bold]Registered[/] {escape(registration.model)} version {registration.version}, "
        f"alias {' and '.join(registration.aliases)}",
        f"  {'promoted' if promotion.promoted else 'not promoted'}: {escape(promotion.reason)}",
        f"[bold]Training[/] {_training_text(summary)}",
        *([f"[bold]In Kubeflow Pipelines[/] {summary.kfp_mlflow_run}"] if summary.kfp_mlflow_run else []),
        f"[bold]Report[/] {escape(str(folder))}/report.html",
    ]
    return "\n".join(lines)
