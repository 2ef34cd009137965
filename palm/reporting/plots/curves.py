"""Figures of a build's policies: worst-case gap by portfolio size, and two rewards against each other."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from palm.reporting.plots.axes import label_points, name_line
from palm.reporting.plots.style import INK, PAPER, SIZE_INCHES, UNCHOSEN, styled, wrapped


@styled
def size_gap_figure(
    sizes: Sequence[int],
    *,
    exact: Sequence[float | None],
    bound: Sequence[float | None],
    greedy: Sequence[float | None],
    chosen_size: int,
) -> Figure:
    """Draw the worst-case gap by portfolio size K: of the best portfolio, its proven bound, and of the greedy one."""
    figure = Figure(figsize=SIZE_INCHES)
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
    """Draw two mean rewards of every policy, shape ``(n, 2)``, and of the reference, with one standard error.

    A policy with an empty label is an unobtrusive dot.
    """
    figure = Figure(figsize=SIZE_INCHES)
    x_name, y_name = (wrapped(name, 30) for name in axis_names)
    bottom, left = 0.11 + 0.045 * x_name.count("\n"), 0.16 + 0.045 * y_name.count("\n")
    axes = figure.add_axes((left, bottom, 0.97 - left, 0.97 - bottom))
    colours, named = np.array(colours), np.array([bool(label) for label in labels])
    errors = standard_errors
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
