"""Summary of a build on the terminal: the policies, the portfolio, the registered version."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from palm.artifacts.summary import BuiltPolicy, Summary
from palm.progress import weights_label

_BETWEEN = 3
"""Characters between two columns of a table."""
_LONGEST_NAME = 16


def show_summary(summary: Summary, folder: Path, console: Console) -> None:
    """Print the summary of a build and the place of its report."""
    for table in policy_tables(summary, console.width):
        console.print(table)
    console.print(_portfolio_text(summary, folder), highlight=False, soft_wrap=True)


def policy_tables(summary: Summary, width: int) -> list[Table]:
    """Tables of the reference and all candidates; ● marks the portfolio, ! a policy that a guard has marked.

    Columns that do not fit into the width follow in another table: names may be cut, numbers never.
    """
    policies = sorted(summary.policies, key=lambda policy: policy.weights, reverse=True)
    marks = ["", *(_mark(summary, policy) for policy in policies)]
    names = ["reference", *(policy.policy for policy in policies)]
    columns = _columns(summary, policies)
    tables, left = [], list(columns)
    while left:
        room = width - 1 - sum(max(map(len, column)) + _BETWEEN for column in (marks, ["policy", *names]))
        # Weights may be folded, other columns have at most the length of a name.
        lacking = min(_width(*left[0]), _LONGEST_NAME) + _BETWEEN - room
        longest = max(len("policy"), max(map(len, names)) - max(0, lacking))
        taken = []
        while left and (not taken or _width(*left[0]) + _BETWEEN <= room):
            taken.append(left.pop(0))
            room -= _width(*taken[-1]) + _BETWEEN
        title = f"Policies of {escape(summary.title)} on held-out prompts (β = {summary.beta:g})"
        table = Table(title=None if tables else title, title_justify="left")
        for header in ("", "policy"):
            table.add_column(header, no_wrap=True)
        for header, cells in taken:
            name = escape(_cut(header, _width(header, cells)))
            # Many weights are folded between two numbers.
            table.add_column(name, justify="right", no_wrap=header != "weights")
        for row, (mark, name) in enumerate(zip(marks, names, strict=True)):
            table.add_row(mark, _cut(name, longest), *(cells[row] for _, cells in taken), end_section=row == 0)
        tables.append(table)
    return tables


def _columns(summary: Summary, policies: Sequence[BuiltPolicy]) -> list[tuple[str, list[str]]]:
    """Headers, and cells of the reference and the policies."""
    reference = summary.reference
    return [
        ("weights", ["", *(" ".join(f"{weight:.2f}" for weight in policy.weights) for policy in policies)]),
        *(
            (name, [f"{entry.rewards[name].mean:.3f}" for entry in (reference, *policies)])
            for name in summary.reward_names
        ),
        *(
            (name, [f"{entry.metrics[name].mean:.3f}" for entry in (reference, *policies)])
            for name in summary.metric_names
        ),
        ("KL", ["0.000", *(f"{policy.kl.mean:.3f}" for policy in policies)]),
        ("J", ["", *(f"{policy.objective.mean:.3f}" for policy in policies)]),
        ("J − J_ref", ["", *(f"{policy.gain.mean:+.3f}" for policy in policies)]),
        ("± se", ["", *(f"{policy.gain.standard_error:.3f}" for policy in policies)]),
        ("J*", ["", *(f"{policy.objective_optimum.mean:.3f}" for policy in policies)]),
        ("share", ["", *map(_share, policies)]),
    ]


def _width(header: str, cells: Sequence[str]) -> int:
    return max(min(len(header), _LONGEST_NAME), *map(len, cells))


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"


def _mark(summary: Summary, policy: BuiltPolicy) -> str:
    return ("●" if policy.policy in summary.selection.portfolio else "") + ("!" if policy.guard else "")


def _share(policy: BuiltPolicy) -> str:
    """Share of the possible gain; empty if noise decides it."""
    share, interval = policy.share_of_gain, policy.share_interval
    return "" if share is None or interval is None or interval.high - interval.low > 1 else f"{share:.0%}"


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
