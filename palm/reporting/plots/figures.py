"""The four figures of a report: cells, size against gap, usage, trade-offs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from palm.reporting.plots.cell_plots import draw_interval_cells, draw_ternary_cells, draw_weight_table
from palm.reporting.plots.placement import label_points, name_line
from palm.reporting.plots.style import INK, PAPER, UNCHOSEN, styled, wrapped
from palm.reporting.plots.usage_plots import draw_strip_usage, draw_ternary_usage, draw_usage_bars

_SIZE_INCHES = (4.5, 4.2)


@styled
def cells_figure(
    weights: np.ndarray,
    *,
    epsilon: float,
    delta: float,
    reward_names: Sequence[str],
    labels: Sequence[str],
    colours: Sequence[str],
    counterexample: np.ndarray | None = None,
) -> Figure:
    """What the design's weight vectors cover.

    Args:
        weights: preference weights, shape ``(k, d)``.
        epsilon: ε' of the cells, relative reach.
        delta: δ' of the cells, absolute reach.
        reward_names: d names.
        labels: short names of the vectors, shape ``(k,)``; an empty one draws an unobtrusive cell.
        colours: one for each vector.
        counterexample: a preference outside all cells, shape ``(d,)``; not drawn at d > 3.

    Returns:
        Polygons on the simplex at d = 3, intervals at d = 2, a table of the weights at d > 3.
    """
    figure = Figure(figsize=_SIZE_INCHES)
    weights = np.asarray(weights, dtype=float)
    if weights.shape[1] > 3:
        draw_weight_table(figure, weights, reward_names=list(reward_names), labels=list(labels))
        return figure
    draw = draw_ternary_cells if weights.shape[1] == 3 else draw_interval_cells
    draw(
        figure,
        weights,
        epsilon=epsilon,
        delta=delta,
        reward_names=list(reward_names),
        labels=list(labels),
        colours=list(colours),
        counterexample=counterexample,
    )
    return figure


@styled
def usage_figure(
    value_vectors: np.ndarray,
    *,
    usage: Sequence[float],
    reward_names: Sequence[str],
    labels: Sequence[str],
    colours: Sequence[str],
    worst_weights: np.ndarray,
) -> Figure:
    """Which policy of the portfolio serves which preferences.

    Args:
        value_vectors: of the portfolio, shape ``(n, d)``.
        usage: share of the simplex on which each policy is the best, shape ``(n,)``.
        reward_names: d names.
        labels: short names of the policies.
        colours: one for each policy.
        worst_weights: the preference with the largest gap, shape ``(d,)``; not drawn at d > 3.

    Returns:
        Coloured regions at d = 3, a strip under the objectives at d = 2, bars at d > 3.
    """
    figure = Figure(figsize=_SIZE_INCHES)
    values = np.asarray(value_vectors, dtype=float)
    if values.shape[1] > 3:
        draw_usage_bars(figure, np.asarray(usage, dtype=float), labels=list(labels), colours=list(colours))
        return figure
    draw = draw_ternary_usage if values.shape[1] == 3 else draw_strip_usage
    draw(
        figure,
        values,
        usage=usage,
        reward_names=list(reward_names),
        labels=list(labels),
        colours=list(colours),
        worst_weights=np.asarray(worst_weights, dtype=float),
    )
    return figure


@styled
def size_gap_figure(
    sizes: Sequence[int],
    *,
    exact: Sequence[float],
    bound: Sequence[float],
    greedy: Sequence[float],
    chosen_size: int,
) -> Figure:
    """Worst-case gap against the number of policies kept.

    Args:
        sizes: portfolio sizes K, increasing.
        exact: ε of the best portfolio found at each size.
        bound: proven lower bound of ε at each size.
        greedy: ε of the greedily built portfolio of each size.
        chosen_size: the size of this build's portfolio, marked.

    Returns:
        Curves of exact and greedy selection with the chosen size marked.
    """
    figure = Figure(figsize=_SIZE_INCHES)
    axes = figure.add_axes((0.15, 0.22, 0.82, 0.72))
    sizes, exact, bound, greedy = (np.asarray(curve, dtype=float) for curve in (sizes, exact, bound, greedy))
    dots = {"markersize": 5, "markeredgecolor": PAPER} if len(sizes) <= 20 else {"markersize": 0}
    axes.plot(sizes, greedy, "s--", color=UNCHOSEN, linewidth=1.5, label="greedy", **dots)
    axes.plot(sizes, exact, "o-", color=INK, linewidth=2, label="exact", **dots)
    if np.any(exact - bound > 1e-6):
        axes.fill_between(sizes, bound, exact, color=INK, alpha=0.15, linewidth=0, label="proven bound")
    axes.set_ylim(0, np.nanmax([exact, greedy]) * 1.12 or 1.0)
    axes.set_xlim(min(sizes) - 0.5, max(sizes) + 0.5)
    name_line(axes, chosen_size, label=f"kept: K = {chosen_size}", colour=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(lambda gap, _: f"{100 * gap:.3g} %")
    axes.set_xlabel("policies in the portfolio, K")
    axes.set_ylabel("worst-case gap ε")
    axes.grid(True)
    axes.tick_params(length=0)
    figure.legend(loc="lower center", frameon=False, ncols=3, columnspacing=1.4, handlelength=1.7)
    return figure


@styled
def trade_off_figure(
    means: np.ndarray,
    *,
    standard_errors: np.ndarray,
    axis_names: Sequence[str],
    labels: Sequence[str],
    colours: Sequence[str],
    reference: np.ndarray,
) -> Figure:
    """Two rewards of every policy against each other.

    Args:
        means: expected rewards, shape ``(n, 2)``.
        standard_errors: of the means, shape ``(n, 2)``.
        axis_names: names of the two rewards.
        labels: short names; an empty one draws an unobtrusive dot.
        colours: one for each policy.
        reference: expected rewards of the reference policy, shape ``(2,)``.

    Returns:
        A scatter with error bars of one standard error.
    """
    figure = Figure(figsize=_SIZE_INCHES)
    x_name, y_name = (wrapped(name, 30) for name in axis_names)
    bottom, left = 0.11 + 0.045 * x_name.count("\n"), 0.16 + 0.045 * y_name.count("\n")
    axes = figure.add_axes((left, bottom, 0.97 - left, 0.97 - bottom))
    means, errors, reference = (np.asarray(v, dtype=float) for v in (means, standard_errors, reference))
    colours, named = np.array(colours), np.array([bool(label) for label in labels])
    axes.errorbar(*means.T, xerr=errors[:, 0], yerr=errors[:, 1], fmt="none", ecolor=colours, elinewidth=1)
    axes.scatter(*means[~named].T, s=50, color=colours[~named], alpha=0.75, edgecolors=PAPER, linewidths=0.7)
    axes.scatter(*means[named].T, s=90, color=colours[named], edgecolors=PAPER, linewidths=0.7, zorder=4)
    axes.plot(*reference, "X", markersize=10, color=INK, markeredgecolor=PAPER, zorder=5)
    axes.margins(0.14)
    axes.locator_params(nbins=5)
    axes.set_xlabel(x_name)
    axes.set_ylabel(y_name)
    axes.grid(True)
    axes.tick_params(length=0)
    # Ends of the error bars, where a label would be struck through.
    ends = [means + sign * errors * axis for sign in (-1, 1) for axis in ((1, 0), (0, 1))]
    label_points(
        axes,
        np.vstack([means[named], reference]),
        obstacles=np.vstack([means, *ends, reference]),
        labels=[label for label in labels if label] + ["ref."],
    )
    return figure
