"""How much of the simplex each weight vector of the design covers: d = 3, d = 2 and more."""

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from palm.geometry.preferences.cells import cell_boxes, cell_polygon
from palm.reporting.plots.placement import name_line
from palm.reporting.plots.style import ALERT, CENTRED_TEXT, DOT, INK, PAPER, text_on, wrapped
from palm.reporting.plots.ternary import mark_point, ternary_axes

_TABLE_ROWS = 24


def draw_ternary_cells(
    figure: Figure,
    weights: np.ndarray,
    *,
    epsilon: float,
    delta: float,
    reward_names: list[str],
    labels: list[str],
    colours: list[str],
    counterexample: np.ndarray | None,
) -> None:
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
        alpha, width = (0.3, 1.0) if labels[index] else (0.13, 0.6)
        axes.fill(*polygon.T, facecolor=colour, alpha=alpha, edgecolor="none", zorder=2)
        axes.fill(*polygon.T, facecolor="none", edgecolor=colour, linewidth=width, zorder=3)
    for (top, left, right), label, colour in zip(weights, labels, colours, strict=True):
        axes.scatter([top], [left], [right], s=270 if label else 22, color=colour, **DOT)
        if label:
            axes.text(top, left, right, label, color=text_on(colour), fontsize=8.5, zorder=6, **CENTRED_TEXT)
    if counterexample is not None:
        mark_point(axes, counterexample, label="not covered", colour=ALERT)


def draw_interval_cells(
    figure: Figure,
    weights: np.ndarray,
    *,
    epsilon: float,
    delta: float,
    reward_names: list[str],
    labels: list[str],
    colours: list[str],
    counterexample: np.ndarray | None,
) -> None:
    """Each cell as an interval of the first weight, one row a vector, for d = 2; arguments as for d = 3."""
    axis_name = two_reward_axis(reward_names)
    bottom = 0.07 + 0.045 * (axis_name.count("\n") + 1)
    axes = figure.add_axes((0.1, bottom, 0.86, 0.94 - bottom))
    order = np.argsort(weights[:, 0], kind="stable")
    starts, ends = _first_weight_ranges(weights, epsilon=epsilon, delta=delta)
    for row, index in enumerate(order):
        start, end, label = starts[index], ends[index], labels[index]
        alpha = 0.75 if label else 0.35
        axes.barh(row, end - start, left=start, height=0.72, color=colours[index], alpha=alpha)
        axes.scatter([weights[index, 0]], [row], s=20, color=INK, **DOT)
        place, shift, side = (start, -5, "right") if end > 0.9 else (end, 5, "left")
        axes.annotate(
            label,
            (place, row),
            xytext=(shift, 0),
            textcoords="offset points",
            ha=side,
            va="center",
            fontweight="bold",
        )
    axes.set_xlim(0, 1)
    if counterexample is not None:
        name_line(axes, counterexample[0], label="not covered", colour=ALERT)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    axes.set_xlabel(axis_name)


def _first_weight_ranges(weights: np.ndarray, *, epsilon: float, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest first weight in each cell; the second is v₂ = 1 − v₁."""
    boxes = cell_boxes(weights, epsilon=epsilon, delta=delta)
    starts = np.maximum(boxes.lows[:, 0], 1 - boxes.highs[:, 1])
    ends = np.minimum(boxes.highs[:, 0], 1 - boxes.lows[:, 1])
    return np.maximum(starts, 0.0), np.minimum(ends, 1.0)


def draw_weight_table(figure: Figure, weights: np.ndarray, *, reward_names: list[str], labels: list[str]) -> None:
    """The weight vectors as a shaded table, one row a vector, when cells have too many dimensions to draw.

    Args:
        figure: an empty figure.
        weights: the design, shape ``(k, d)``.
        reward_names: the d rewards.
        labels: row names; rows with one come first, the others are squeezed together when they are many.
    """
    count, dimension = weights.shape
    axes = figure.add_axes((0.1, 0.03, 0.87, 0.8))
    order = sorted(range(count), key=lambda row: (not labels[row], len(labels[row]), labels[row]))
    named = sum(bool(label) for label in labels)
    squeezed = min(1.0, max(_TABLE_ROWS - named, _TABLE_ROWS / 2) / max(count - named, 1))
    edges = np.concatenate([[0.0], np.cumsum([1.0 if labels[row] else squeezed for row in order])])
    mesh = axes.pcolormesh(
        np.arange(dimension + 1),
        edges,
        weights[order],
        cmap="Blues",
        vmin=0,
        vmax=1,
        edgecolors=PAPER,
        linewidth=min(1.0, squeezed),
        rasterized=count > 60,
    )
    size = min(9.5, 250 / edges[-1])
    for position, row in enumerate(order if squeezed == 1.0 else order[:named]):
        height = edges[position : position + 2].mean()
        for column, weight in enumerate(weights[row]):
            ink = text_on(to_hex(mesh.cmap(mesh.norm(weight))))
            axes.text(
                column + 0.5,
                height,
                f"{weight:.2f}",
                color=ink,
                fontsize=size,
                ha="center",
                va="center_baseline",
            )
    bold = {"fontweight": "bold", "color": INK, "fontsize": size}
    axes.set_yticks(np.arange(named) + 0.5, [labels[row] for row in order[:named]], **bold)
    titles = [wrapped(name, width=56 // dimension) for name in reward_names]
    axes.set_xticks(np.arange(dimension) + 0.5, titles, color=INK, fontsize=9.5 if dimension <= 4 else 7.5)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)


def two_reward_axis(reward_names: list[str]) -> str:
    """Name of the horizontal axis when two rewards leave one free weight.

    Args:
        reward_names: the two rewards.

    Returns:
        The label.
    """
    first, second = (wrapped(name, 28) for name in reward_names)
    return f"weight of {first}\n(the rest on {second})"
