"""How much of the simplex each weight vector of the design covers: d = 3, d = 2 and more."""

import numpy as np
from matplotlib.figure import Figure

from palm.preferences.cells import cell_boxes, cell_polygon
from palm.reporting.style import ALERT, INK, PAPER, text_on, wrapped
from palm.reporting.ternary import mark_point, ternary_axes

_ROWS_WITH_NUMBERS = 30


def draw_ternary_cells(
    figure: Figure, weights: np.ndarray, *, epsilon: float, delta: float, reward_names: list[str],
    labels: list[str], colours: list[str], counterexample: np.ndarray | None,
) -> None:  # fmt: skip
    """Each cell as a translucent polygon around its weight vector, for d = 3.

    Args:
        figure: an empty figure.
        weights: the design, shape ``(k, 3)``.
        epsilon: ε' of the cells.
        delta: δ' of the cells.
        reward_names: the three rewards.
        labels: text inside each vector's dot; empty for a small plain dot.
        colours: one for each vector.
        counterexample: a point that no cell covers, or None.
    """
    axes = ternary_axes(figure, reward_names)
    # Labelled vectors last, so that grey neighbours never cover them.
    for index in sorted(range(len(weights)), key=lambda i: bool(labels[i])):
        polygon, colour = cell_polygon(weights[index], epsilon=epsilon, delta=delta), colours[index]
        alpha = 0.3 if labels[index] else 0.13
        axes.fill(*polygon.T, facecolor=colour, alpha=alpha, edgecolor="none", zorder=2)
        axes.fill(*polygon.T, facecolor="none", edgecolor=colour, linewidth=1.0 if labels[index] else 0.6, zorder=3)
    for weight, label, colour in zip(weights, labels, colours, strict=True):
        top, left, right = weight
        axes.scatter([top], [left], [right], s=230 if label else 22, color=colour, edgecolors=PAPER, linewidths=0.8,
                     clip_on=False, zorder=5)  # fmt: skip
        axes.text(top, left, right, label, color=text_on(colour), fontsize=7.5, fontweight="bold",
                  ha="center", va="center_baseline", zorder=6)  # fmt: skip
    if counterexample is not None:
        mark_point(axes, counterexample, label="not covered", colour=ALERT)


def draw_interval_cells(
    figure: Figure, weights: np.ndarray, *, epsilon: float, delta: float, reward_names: list[str],
    labels: list[str], colours: list[str], counterexample: np.ndarray | None,
) -> None:  # fmt: skip
    """Each cell as an interval of the first weight, one row a vector, for d = 2; arguments as for d = 3."""
    axes = figure.add_axes((0.1, 0.16, 0.86, 0.78))
    order = np.argsort(weights[:, 0], kind="stable")
    boxes = cell_boxes(weights, epsilon=epsilon, delta=delta)
    # v₂ = 1 − v₁ turns the second weight's bounds into bounds of the first.
    starts = np.maximum(np.maximum(boxes.lows[:, 0], 1 - boxes.highs[:, 1]), 0.0)
    ends = np.minimum(np.minimum(boxes.highs[:, 0], 1 - boxes.lows[:, 1]), 1.0)
    for row, index in enumerate(order):
        start, end = starts[index], ends[index]
        chosen = bool(labels[index])
        axes.barh(row, end - start, left=start, height=0.72, color=colours[index], alpha=0.75 if chosen else 0.35)
        axes.scatter([weights[index, 0]], [row], s=20, color=INK, edgecolors=PAPER, linewidths=0.8,
                     clip_on=False, zorder=5)  # fmt: skip
        beyond = end > 0.9
        axes.annotate(
            labels[index], (start if beyond else end, row), xytext=(-5 if beyond else 5, 0),
            textcoords="offset points", ha="right" if beyond else "left", va="center", fontweight="bold",
        )  # fmt: skip
    if counterexample is not None:
        axes.axvline(counterexample[0], color=ALERT, linewidth=1.6, zorder=6)
        axes.annotate("not covered", (counterexample[0], 1), xycoords=("data", "axes fraction"), color=ALERT,
                      fontweight="bold", ha="center", va="bottom", xytext=(0, 2), textcoords="offset points")  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    axes.set_xlabel(two_reward_axis(reward_names))


def draw_weight_table(figure: Figure, weights: np.ndarray, *, reward_names: list[str], labels: list[str]) -> None:
    """The weight vectors as a shaded table, one row a vector, when cells have too many dimensions to draw.

    Args:
        figure: an empty figure.
        weights: the design, shape ``(k, d)``.
        reward_names: the d rewards.
        labels: row names; empty for none.
    """
    count, dimension = weights.shape
    axes = figure.add_axes((0.12, 0.04, 0.84, 0.78))
    mesh = axes.pcolormesh(weights, cmap="Blues", vmin=0, vmax=1, edgecolors=PAPER, rasterized=count > 60,
                           linewidth=1.0 if count <= _ROWS_WITH_NUMBERS else 0.0)  # fmt: skip
    if count <= _ROWS_WITH_NUMBERS:
        for (row, column), weight in np.ndenumerate(weights):
            ink = text_on("#{:02x}{:02x}{:02x}".format(*mesh.cmap(weight, bytes=True)[:3]))
            axes.text(column + 0.5, row + 0.5, f"{weight:.2f}", color=ink, fontsize=min(8, 200 / count),
                      ha="center", va="center_baseline")  # fmt: skip
    named = [row for row, label in enumerate(labels) if label]
    axes.set_yticks(np.array(named) + 0.5, [labels[row] for row in named], fontweight="bold", color=INK,
                    fontsize=min(8.5, 240 / count))  # fmt: skip
    axes.set_xticks(np.arange(dimension) + 0.5, [wrapped(name, width=44 // dimension) for name in reward_names], color=INK)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.invert_yaxis()
    for spine in axes.spines.values():
        spine.set_visible(False)


def two_reward_axis(reward_names: list[str]) -> str:
    """Name of the horizontal axis when two rewards leave one free weight.

    Args:
        reward_names: the two rewards.

    Returns:
        The label.
    """
    return f"weight of {wrapped(reward_names[0], 40)}\n(the rest on {wrapped(reward_names[1], 40)})"
