import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.patches import Polygon, Rectangle

from palm.geometry.preferences.cells import cell_polygon
from palm.geometry.preferences.simplex import spread_points
from palm.reporting.plots.cells import cells_figure
from palm.reporting.plots.curves import size_gap_figure, trade_off_figure
from palm.reporting.plots.regions import serving_regions
from palm.reporting.plots.usage import usage_figure

BLUE, RED, GREY = "#0072b2", "#d55e00", "#8a939e"
VALUES = [[0.8, 0.4, 0.4], [0.4, 0.8, 0.4]]


def texts(figure):
    return {text.get_text() for text in figure.findobj(mpl.text.Text)} - {""}


def rendered(figure):
    stream = io.StringIO()
    figure.savefig(stream, format="svg")
    return stream.getvalue()


def cells(weights, *, names, labels, **more):
    return cells_figure(
        weights,
        epsilon=0.3,
        delta=0.02,
        reward_names=names,
        labels=labels,
        colours=[BLUE if label else GREY for label in labels],
        **more,
    )


def usage(values, *, shares=(0.5, 0.5), worst, names="abc"):
    return usage_figure(
        np.array(values),
        usage=shares,
        reward_names=list(names),
        labels=["P1", "P2"],
        colours=[BLUE, RED],
        worst_weights=np.array(worst),
    )


def trade_off(means, *, errors, labels, colours, reference=(0.5, 0.5), names="ab"):
    return trade_off_figure(
        means,
        standard_errors=np.tile(errors, (len(means), 1)),
        axis_names=list(names),
        labels=labels,
        colours=colours,
        reference=np.array(reference),
    )


def text_boxes(figure, texts):
    """Boxes of the texts as they are drawn."""
    FigureCanvasAgg(figure).draw()
    return [
        (text.get_text(), mpl.text.Text.get_window_extent(text))
        for text in figure.axes[0].texts
        if text.get_text() in texts
    ]


def test_every_cell_is_drawn_as_its_exact_polygon():
    weights = spread_points(3, 7)
    figure = cells(weights, names=["a", "b", "c"], labels=["P1"] + [""] * 6)
    axes = figure.axes[0]
    fills = [patch for patch in axes.patches if isinstance(patch, Polygon) and patch.get_alpha()]
    assert len(fills) == 7
    expected = axes.transProjection.transform(cell_polygon(weights[0], epsilon=0.3, delta=0.02))
    own = [patch for patch in fills if mpl.colors.to_hex(patch.get_facecolor()) == BLUE]
    assert len(own) == 1
    np.testing.assert_allclose(own[0].get_xy()[:-1], expected)
    assert {"a", "b", "c", "P1"} <= texts(figure)
    assert "not covered" not in texts(figure)


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_counterexample_is_marked(dimension):
    point = np.full(dimension, 1 / dimension)
    figure = cells(np.eye(dimension), names="abc"[:dimension], labels=[""] * dimension, counterexample=point)
    assert "not covered" in texts(figure)


def test_two_rewards_give_one_interval_a_vector():
    weights = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])
    figure = cells(weights, names=["a", "b"], labels=["", "P1", ""])
    bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]
    # |w_i − v_i| <= 0.3 v_i + 0.02 for both coordinates, solved by hand.
    middle = (1 - 0.52 / 0.7, 0.52 / 0.7)
    low = max(0.48 / 1.3, middle[0])
    np.testing.assert_allclose(spans, [(0, 0.02 / 0.7), (low, 1 - low), (1 - 0.02 / 0.7, 1)], atol=1e-12)


def test_more_rewards_give_a_table_of_all_weights_with_the_kept_ones_first():
    weights = spread_points(4, 9)
    labels = [""] * 9
    labels[5], labels[2] = "P1", "P2"
    figure = cells(weights, names=["a", "b", "c", "d"], labels=labels)
    mesh = figure.findobj(QuadMesh)[0]
    table = np.asarray(mesh.get_array()).reshape(9, 4)
    np.testing.assert_allclose(table[:2], weights[[5, 2]])
    np.testing.assert_allclose(sorted(map(tuple, table)), sorted(map(tuple, weights)))
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["P1", "P2"]


def test_usage_draws_the_exact_regions_in_the_policies_colours():
    figure = usage(VALUES, worst=[0.5, 0.5, 0.0])
    axes = figure.axes[0]
    drawn = {mpl.colors.to_hex(p.get_facecolor()): p.get_xy()[:-1] for p in axes.patches if p.get_fill()}
    for colour, region in zip([BLUE, RED], serving_regions(np.array(VALUES)), strict=True):
        np.testing.assert_allclose(drawn[colour], axes.transProjection.transform(region))
    assert {"P1\n50 %", "P2\n50 %", "worst"} <= texts(figure)


def test_usage_of_two_rewards_is_a_strip_that_changes_where_the_objectives_cross():
    figure = usage([[1.0, 0.0], [0.0, 0.5]], shares=[2 / 3, 1 / 3], worst=[1 / 3, 2 / 3], names="ab")
    spans = {mpl.colors.to_hex(p.get_facecolor()): p.get_extents() for p in figure.axes[1].patches}
    to_data = figure.axes[1].transData.inverted()
    assert to_data.transform(spans[RED].p1)[0] == pytest.approx(1 / 3, abs=1e-3)
    assert to_data.transform(spans[BLUE].p0)[0] == pytest.approx(1 / 3, abs=1e-3)


def test_usage_of_many_rewards_is_one_bar_a_policy():
    figure = usage(np.eye(4)[:2], shares=[0.7, 0.3], worst=np.full(4, 0.25), names="abcd")
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.7, 0.3]
    assert {"70.0 %", "30.0 %"} <= texts(figure)


def test_size_gap_plots_the_curves_given_and_marks_the_kept_size():
    figure = size_gap_figure(
        [1, 2, 3], exact=[0.3, 0.1, 0.0], bound=[0.3, None, 0.0], greedy=[0.3, 0.2, 0.1], chosen_size=2
    )
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    np.testing.assert_allclose(lines["exact"], [0.3, 0.1, 0.0])
    np.testing.assert_allclose(lines["greedy"], [0.3, 0.2, 0.1])
    assert "kept: K = 2" in texts(figure)
    assert "proven bound" not in texts(figure)


def test_size_gap_shades_what_is_not_proven():
    figure = size_gap_figure([1, 2], exact=[0.3, 0.2], bound=[0.3, 0.1], greedy=[0.3, 0.2], chosen_size=1)
    assert "proven bound" in texts(figure)


def test_trade_off_plots_every_policy_with_its_error_and_names_the_kept_ones():
    means = np.array([[0.2, 0.8], [0.5, 0.5], [0.8, 0.2]])
    look = {"labels": ["P1", "", "P2"], "colours": [BLUE, GREY, RED]}
    figure = trade_off(means, errors=[0.01, 0.03], reference=(0.3, 0.3), **look)
    axes = figure.axes[0]
    other, kept = (dots.get_offsets() for dots in axes.findobj(PathCollection))
    np.testing.assert_allclose(other, means[1:2])
    np.testing.assert_allclose(kept, means[[0, 2]])
    np.testing.assert_allclose(axes.lines[-1].get_xydata(), [[0.3, 0.3]])
    across_error, along_error = np.array([0.01, 0.0]), np.array([0.0, 0.03])
    across, along = (bars.get_segments() for bars in axes.containers[0].lines[2])
    np.testing.assert_allclose(across, [[mean - across_error, mean + across_error] for mean in means])
    np.testing.assert_allclose(along, [[mean - along_error, mean + along_error] for mean in means])
    assert {"P1", "P2", "ref."} <= texts(figure)


def test_labels_of_neighbouring_points_do_not_overlap():
    means = np.random.default_rng(0).normal(0.5, 0.02, size=(40, 2))
    labels = [f"P{index + 1}" if index < 7 else "" for index in range(40)]
    figure = trade_off(means, errors=[0.001] * 2, labels=labels, colours=[BLUE] * 40)
    boxes = [box for _, box in text_boxes(figure, {*labels[:7], "ref."})]
    assert len(boxes) == 8
    overlaps = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    assert not overlaps


@pytest.mark.parametrize("dimension", [2, 3, 4, 5])
def test_long_names_stay_inside_the_figure(dimension):
    names = ["helpfulness_to_the_user_under_uncertainty", "x" * 45, *"abc"][:dimension]
    corners = np.eye(dimension)
    labels = [f"P{index + 1}" for index in range(dimension)]
    look = {"reward_names": names, "labels": labels, "colours": [BLUE] * dimension}
    means = np.random.default_rng(0).uniform(size=(dimension, 2))
    figures = [
        cells(corners, names=names, labels=labels, counterexample=corners[0]),
        usage_figure(corners, usage=[1 / dimension] * dimension, worst_weights=corners[0], **look),
        trade_off(means, errors=[0.01] * 2, labels=labels, colours=[BLUE] * dimension, names=names[:2]),
    ]
    for figure in figures:
        FigureCanvasAgg(figure).draw()
        drawn = figure.get_tightbbox()
        assert min(drawn.p0) >= 0
        assert (drawn.p1 <= figure.get_size_inches()).all()


@pytest.mark.parametrize("corner", [0, 1, 2])
@pytest.mark.parametrize("names", [["arithmetic", "format", "brevity"], ["a", "b", "c"]])
def test_the_worst_preference_at_a_corner_leaves_its_name_legible(corner, names):
    figure = usage(VALUES, worst=np.eye(3)[corner], names=names)
    boxes = dict(text_boxes(figure, {*names, "worst"}))
    assert len(boxes) == 4
    assert not [name for name in names if boxes[name].overlaps(boxes["worst"])]


def test_reward_names_are_never_read_as_mathematics():
    assert rendered(cells(np.eye(3), names=["$\\frac", "b$", "c_d^e"], labels=[""] * 3))
