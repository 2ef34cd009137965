"""The preference geometry in numbers: designs, coverage, selection, adaptive and predicted designs.

Prints the tables and writes them to RESULTS.md. Takes about half an hour.
"""

import time
from collections.abc import Callable

import numpy as np
from adaptive_cases import policies_needed
from predicted_cases import predicted_rows
from results import Section, show, write
from rich.console import Console
from selection_cases import large_selection_rows, selection_rows

from palm.errors import WeightsError
from palm.geometry.preferences.coverage import check_coverage
from palm.geometry.preferences.design import design_grid
from palm.geometry.preferences.grids import random_grid
from palm.progress import deadline
from palm.verification.cover import find_hole

POINTS = 1_000_000
"""Points of the Monte-Carlo estimate that the exact coverage check is compared with."""

DESIGNS = [
    (2, 0.4, 0.0125, 10),
    (3, 0.4, 0.0125, 120),
    (3, 0.2, 0.05, 60),
    (3, 0.2, 0.02, 60),
    (4, 0.4, 0.05, 60),
    (4, 0.4, 0.0125, 600),
    (5, 0.4, 0.05, 60),
]
"""d, ε', δ' and the seconds that `minimal` may search."""


def designs() -> Section:
    """Sizes and times of every strategy."""
    rows = []
    for d, epsilon, delta, limit in DESIGNS:
        minimal, seconds = _designed(d, epsilon, delta, "minimal", limit=limit)
        try:
            palm, palm_seconds = _designed(d, epsilon, delta, "palm")
            described = [str(palm.size), f"{palm_seconds:.1f}"]
        except WeightsError:
            described = ["none", "-"]
        holes = [
            f"{_designed(d, epsilon, delta, strategy, size=minimal.size)[0].coverage.uncovered_fraction:.1%}"
            for strategy in ("uniform", "random")
        ]
        known = f"{minimal.size} ({'covered' if minimal.coverage.covered else 'NOT COVERED'})"
        rows.append([str(d), f"{epsilon:g}", f"{delta:g}", *described, known, f"{seconds:.0f}",
                     str(minimal.lower_bound), *holes])  # fmt: skip
    return Section(
        title="Designs: how many policies to train",
        note="Vectors that cover all preferences (exact check); `lower bound`: proven, no cover is smaller. `uniform` "
        "and `random` with as many vectors as `minimal`: the share of preferences that they leave uncovered. "
        f"Time limits of `minimal`: {', '.join(f'{limit} s' for *_, limit in DESIGNS)}.",
        columns=("d", "ε'", "δ'", "palm", "s", "minimal", "s", "lower bound", "uniform uncovered", "random uncovered"),
        rows=rows,
    )


def coverage() -> Section:
    """The exact check against Monte-Carlo, and against the independent verifier."""
    figure_1 = {"epsilon": 0.4, "delta": 0.0125}
    cases = [
        ("palm 48", design_grid(3, strategy="palm", **figure_1).weights, figure_1),
        ("random 48", random_grid(3, 48, seed=0), figure_1),
        ("palm 256", design_grid(4, strategy="palm", **figure_1).weights, figure_1),
        ("random 2000", random_grid(5, 2000, seed=0), {"epsilon": 0.4, "delta": 0.05}),
    ]
    rows = []
    for name, weights, accuracy in cases:
        exact, seconds = _timed(lambda w=weights, a=accuracy: check_coverage(w, **a))
        sampled, sampled_seconds = _timed(lambda w=weights, a=accuracy: monte_carlo(w, **a), times=1)
        hole, verifier_seconds = _timed(lambda w=weights, a=accuracy: find_hole(w, **a), times=1)
        assert (hole is None) == exact.covered
        rows.append([
            str(weights.shape[1]), name, f"{exact.uncovered_fraction:.6f}", f"{seconds:.4f}", f"{sampled:.6f}",
            f"{sampled_seconds:.2f}", f"{sampled_seconds / seconds:.1f}", f"{verifier_seconds:.4f}",
        ])  # fmt: skip
    return Section(
        title=f"Coverage: exact against Monte-Carlo with {POINTS:,} points",
        note="Monte-Carlo can only say that no hole was seen; the exact check proves that there is none, or shows a "
        "point in one. The last column is the independent verifier, which stops at the first hole.",
        columns=("d", "grid", "exact: uncovered", "s", "Monte-Carlo: uncovered", "s", "ratio of times", "verifier s"),
        rows=rows,
    )


def monte_carlo(weights: np.ndarray, *, epsilon: float, delta: float, seed: int = 0) -> float:
    """Share of sampled preferences that no cell holds.

    Args:
        weights: shape (n, d).
        epsilon: ε' of the cells.
        delta: δ' of the cells.
        seed: seed of the points.

    Returns:
        The estimated uncovered share.
    """
    points = np.random.default_rng(seed).dirichlet(np.ones(weights.shape[1]), size=POINTS)
    for vector in weights:
        points = points[(np.abs(vector - points) > epsilon * points + delta).any(axis=1)]
    return len(points) / POINTS


def selection() -> list[Section]:
    """Exact selection against the paper's greedy pruning."""
    compared, small = selection_rows(), []
    for policies in ("palm", "random"):
        rows = [row for row in compared if row["policies"] == policies]
        small += [
            [policies, str(row["size"]), f"{row['exact']:.4f}", f"{row['greedy']:.4f}",
             f"{np.median(row['ratios']):.3f}", f"{row['proven']} of {row['problems']}",
             f"{row['seconds']:.2f}", f"{row['most_seconds']:.2f}"]
            for row in rows
        ]  # fmt: skip
        pooled = np.median([ratio for row in rows for ratio in row["ratios"]])
        small.append([policies, "all", "", "", f"{pooled:.3f}", "", "", ""])
    large = [
        [str(row["seed"]), f"{row['exact']:.4f}", f"{row['bound']:.4f}", f"{1 - row['bound'] / row['exact']:.1%}",
         f"{row['greedy']:.4f}", f"{row['seconds']:.0f}"]
        for row in large_selection_rows()
    ]  # fmt: skip
    return [
        Section(
            title="Selection: exact against greedy, 48 policies, d = 3",
            note="Medians over 20 problems of the testbed: the certified worst-case gap of K of the policies for 48 "
            "weights, the palm grid or random ones. Where exact is proven optimal, no method can do better.",
            columns=("policies", "K", "exact", "greedy", "exact / greedy", "proven optimal", "s", "most s"),
            rows=small,
        ),
        Section(
            title="Selection: 8 of 200 policies, d = 5",
            note="Policies for random weights. `bound`: proven, no 8 of them have a smaller gap.",
            columns=("seed", "exact", "bound", "bound below by", "greedy", "s"),
            rows=large,
        ),
    ]


def adaptive() -> Section:
    """Policies to train until a gap to the true optimum is certified."""
    rows = [
        [str(row["objectives"]), f"{row['target']:.0%}", row["method"],
         "more than followed" if row["policies"] is None else f"{row['policies']:g}", str(row["problems"])]
        for row in policies_needed()
    ]  # fmt: skip
    return Section(
        title="Adaptive: policies to train for a certified gap",
        note="Median number of policies until the gap to the true optimum J* is certified over the whole simplex, by "
        "the same bounds for all. `adaptive(4)` trains four at a time. LinearSupport: morl-baselines. On a face of "
        "the simplex the upper bound can only come from policies on that face, of which random and palm have few.",
        columns=("d", "gap", "method", "policies", "problems"),
        rows=rows,
    )


def predicted() -> Section:
    """Choosing before training, against training many and pruning."""
    rows = [[row["way"], str(row["trained"]), f"{row['gap']:.4f}", f"{row['ratio']:.2f}"] for row in predicted_rows()]
    return Section(
        title="Predicted: five policies chosen before anything is trained, d = 3",
        note="Median over 20 problems of the largest gap to the true J*; `ratio` to the first line.",
        columns=("way", "trained", "gap", "ratio"),
        rows=rows,
    )


def _designed(d: int, epsilon: float, delta: float, strategy: str, *, size: int | None = None, limit: float = 0):
    """Make a design and time it."""
    return _timed(
        lambda: design_grid(
            d, epsilon=epsilon, delta=delta, strategy=strategy, size=size, seconds_left=deadline(limit)
        ),
        times=1,
    )


def _timed(function: Callable, times: int = 3):
    """A function's result and its best wall time, in seconds."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def main() -> None:
    """Print all tables and write them."""
    console = Console(width=160)
    sections = []
    for part in (coverage, selection, predicted, adaptive, designs):
        made = part()
        for section in made if isinstance(made, list) else [made]:
            show(section, console)
            sections.append(section)
    write("Preference geometry", "make bench", sections)


if __name__ == "__main__":
    main()
