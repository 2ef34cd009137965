"""The result of a build as text: the policy table, the portfolio, the registered version."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from palm.progress import weights_label


def show_summary(summary: dict, folder: Path, console: Console) -> None:
    """Print a build's summary.

    Args:
        summary: content of summary.json (`palm.steps.report`).
        folder: the build's folder.
        console: where to print.
    """
    console.print(policy_table(summary))
    console.print(_portfolio_text(summary, folder), highlight=False, soft_wrap=True)


def policy_table(summary: dict) -> Table:
    """Every trained policy and the reference.

    Args:
        summary: content of summary.json.

    Returns:
        A table: weights, rewards, metrics, KL, J, J − J_ref with its standard error, J*, share of the possible gain;
        ● marks the portfolio, ! a policy whose training a guard stopped.
    """
    names, metrics = summary["reward_names"], summary["metric_names"]
    table = Table(
        title=f"Policies of {summary['title']} on held-out prompts (β = {summary['beta']:g})", title_justify="left"
    )
    for header in ("", "policy"):
        table.add_column(header, no_wrap=True)
    for header in ("weights", *names, *metrics, "KL", "J", "J − J_ref", "± se", "J*", "share"):
        table.add_column(header, justify="right", no_wrap=True)
    reference = summary["reference"]
    table.add_row(
        "",
        "reference",
        "",
        *_means(reference["rewards"], names),
        *_means(reference["metrics"], metrics),
        "0.000",
        *[""] * 5,
        end_section=True,
    )
    for record in sorted(summary["policies"], key=lambda entry: entry["weights"], reverse=True):
        table.add_row(
            ("●" if record["policy"] in summary["selection"]["portfolio"] else "") + ("!" if record["guard"] else ""),
            record["policy"],
            " ".join(f"{weight:.2f}" for weight in record["weights"]),
            *_means(record["rewards"], names),
            *_means(record["metrics"], metrics),
            f"{record['kl']['mean']:.3f}",
            f"{record['objective']['mean']:.3f}",
            f"{record['gain']['mean']:+.3f}",
            f"{record['gain']['standard_error']:.3f}",
            f"{record['objective_optimum']['mean']:.3f}",
            _share(record),
        )
    return table


def _training_text(summary: dict) -> str:
    continued, earlier = len(summary["continued"]), summary["earlier"]
    words = [
        f"{len(summary['trained'])} trained" + (f" ({continued} from earlier policies)" if continued else ""),
        f"{len(summary['reused'])} reused",
        f"{summary['device_seconds']:.0f} device-seconds spent, {summary['device_seconds_saved']:.0f} saved",
    ]
    if earlier:
        words.append(f"{earlier} policies of version {summary['from_version']} were candidates")
    return "; ".join(words)


def _share(record: dict) -> str:
    """The share of the possible gain; nothing where noise decides it."""
    share, interval = record["share_of_gain"], record["share_interval"]
    return "" if share is None or interval is None or interval["high"] - interval["low"] > 1 else f"{share:.0%}"


def _means(entries: dict, names: list[str]) -> list[str]:
    return [f"{entries[name]['mean']:.3f}" for name in names]


def _portfolio_text(summary: dict, folder: Path) -> str:
    selection, promotion, registration = summary["selection"], summary["promotion"], summary["registration"]
    names, plugin = summary["reward_names"], summary["kfp_mlflow_run"]
    weights = {record["policy"]: record["weights"] for record in summary["policies"]}
    worst = ", ".join(f"{name} {weight:.3f}" for name, weight in zip(names, selection["worst_weights"], strict=True))
    interval = selection["interval"]
    effective, by_chance = (
        selection["diversity"][key] for key in ("effective_policies", "effective_policies_by_chance")
    )
    guards = [(record["policy"], record["guard"]) for record in summary["policies"] if record["guard"]]
    lines = [
        *(f"[bold]![/] {name}: {guard['message']}" for name, guard in guards),
        *(
            f"[bold]![/] no policy for {weights_label(entry['weights'])}: {escape(entry['error'])}"
            for entry in selection["missing"]
        ),
        f"[bold]Portfolio[/] of {len(selection['portfolio'])} from {len(weights)} policies ({selection['method']}):",
        *(
            f"  {name}  weights {' '.join(f'{w:.2f}' for w in weights[name])}  serves {selection['usage'][name]:.1%}"
            for name in selection["portfolio"]
        ),
        f"[bold]Worst-case gap[/] ε = {selection['epsilon']:.4f} at δ = {selection['delta']:g}, against all trained "
        "policies, for every preference (certified); no portfolio of this size is below "
        f"{selection['epsilon_bound']:.4f}",
        "  no interval: some resampled prompts leave no ε; use more held-out prompts or a larger selection.delta"
        if interval is None
        else f"  {interval['confidence']:.0%} interval over prompts: {interval['low']:.4f} to {interval['high']:.4f}",
        f"  worst weights: {worst}",
        f"[bold]Diversity[/] responses differ as much as those of {effective['mean']:.2f} policies with nothing in "
        f"common ({by_chance['mean']:.2f} if all policies were the same)",
        f"[bold]Registered[/] {registration['model']} version {registration['version']}, "
        f"alias {' and '.join(registration['aliases'])}",
        f"  {'promoted' if promotion['promoted'] else 'not promoted'}: {promotion['reason']}",
        f"[bold]Training[/] {_training_text(summary)}",
        *([f"[bold]In Kubeflow Pipelines[/] {plugin}"] if plugin else []),
        f"[bold]Report[/] {folder}/report.html",
    ]
    return "\n".join(lines)
