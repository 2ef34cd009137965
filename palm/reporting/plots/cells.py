"""Figure of a design: which preferences the cell of each weight vector covers."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from palm.geometry.preferences.cells import cell_boxes, cell_polygon
from palm.reporting.plots.axes import mark_point, name_line, ternary_axes, two_reward_axis
from palm.reporting.plots.style import ALERT, CENTRED_TEXT, DOT, INK, PAPER, SIZE_INCHES, Look, styled, text_on, wrapped

_TABLE_ROWS = 24


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
    """Draw the cells of a design's weights, shape ``(k, d)``, with tolerances ε' and δ'.

    They are polygons on the simplex at d = 3, intervals at d = 2, and a table of the weights at d > 3. A vector with an
    empty label is unobtrusive. The counterexample is a preference outside all cells; it is not drawn at d > 3.
    """
    figure, look = Figure(figsize=SIZE_INCHES), Look(reward_names, labels, colours)
    if weights.shape[1] > 3:
        _draw_table(figure, weights, look)
    else:
        draw = _draw_polygons if weights.shape[1] == 3 else _draw_intervals
        draw(figure, weights, epsilon, delta, look, counterexample)
    return figure


def _draw_polygons(
    figure: Figure, weights: np.ndarray, epsilon: float, delta: float, look: Look, counterexample: np.ndarray | None
) -> None:
    axes, labels = ternary_axes(figure, look.reward_names), look.labels
    # Labelled vectors last, so that grey neighbours never cover them.
    for index in sorted(range(len(weights)), key=lambda i: bool(labels[i])):
        polygon, colour = cell_polygon(weights[index], epsilon=epsilon, delta=delta), look.colours[index]
        alpha, width = (0.3, 1.0) if labels[index] else (0.13, 0.6)
        axes.fill(*polygon.T, facecolor=colour, alpha=alpha, edgecolor="none", zorder=2)
        axes.fill(*polygon.T, facecolor="none", edgecolor=colour, linewidth=width, zorder=3)
    for (top, left, right), label, colour in zip(weights, labels, look.colours, strict=True):
        axes.scatter([top], [left], [right], s=270 if label else 22, color=colour, **DOT)
        if label:
            axes.text(top, left, right, label, color=text_on(colour), fontsize=8.5, zorder=6, **CENTRED_TEXT)
    if counterexample is not None:
        mark_point(axes, counterexample, label="not covered", colour=ALERT)


def _draw_intervals(
    figure: Figure, weights: np.ndarray, epsilon: float, delta: float, look: Look, counterexample: np.ndarray | None
) -> None:
    axis_name = two_reward_axis(look.reward_names)
    bottom = 0.07 + 0.045 * (axis_name.count("\n") + 1)
    axes = figure.add_axes((0.1, bottom, 0.86, 0.94 - bottom))
    boxes = cell_boxes(weights, epsilon=epsilon, delta=delta)
    # The second weight is 1 minus the first.
    starts = np.maximum(np.maximum(boxes.lows[:, 0], 1 - boxes.highs[:, 1]), 0.0)
    ends = np.minimum(np.minimum(boxes.highs[:, 0], 1 - boxes.lows[:, 1]), 1.0)
    for row, index in enumerate(np.argsort(weights[:, 0], kind="stable")):
        start, end, label = starts[index], ends[index], look.labels[index]
        alpha = 0.75 if label else 0.35
        axes.barh(row, end - start, left=start, height=0.72, color=look.colours[index], alpha=alpha)
        axes.scatter([weights[index, 0]], [row], s=20, color=INK, **DOT)
        place, shift, side = (start, -5, "right") if end > 0.9 else (end, 5, "left")
        axes.annotate(
            label, (place, row), (shift, 0), textcoords="offset points", ha=side, va="center", fontweight="bold"
        )
    axes.set_xlim(0, 1)
    if counterexample is not None:
        name_line(axes, counterexample[0], label="not covered", colour=ALERT)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    axes.set_xlabel(axis_name)


def _draw_table(figure: Figure, weights: np.ndarray, look: Look) -> None:
    """The weight vectors as a shaded table: labelled rows first, the others squeezed if they are many."""
    (count, dimension), labels = weights.shape, look.labels
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
            place = {"ha": "center", "va": "center_baseline"}
            axes.text(column + 0.5, height, f"{weight:.2f}", color=ink, fontsize=size, **place)
    bold = {"fontweight": "bold", "color": INK, "fontsize": size}
    axes.set_yticks(np.arange(named) + 0.5, [labels[row] for row in order[:named]], **bold)
    titles = [wrapped(name, width=56 // dimension) for name in look.reward_names]
    axes.set_xticks(np.arange(dimension) + 0.5, titles, color=INK, fontsize=9.5 if dimension <= 4 else 7.5)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
