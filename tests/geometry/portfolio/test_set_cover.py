"""Set covers of a fixed size."""

from itertools import combinations

import numpy as np

from palm.geometry.portfolio.set_cover import Cover, cover, exchange, maximal_columns, minimal_rows


def test_cover_by_hand():
    rows = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1]], dtype=bool)
    picks = cover(rows, 2, time_limit_seconds=10).picks
    assert rows[:, list(picks)].any(axis=1).all()
    assert cover(rows, 1, time_limit_seconds=10).impossible
    assert cover(rows, 2, time_limit_seconds=-0.1) == Cover(picks=None, impossible=False)
    assert cover(np.array([[True], [False]]), 1, time_limit_seconds=10).impossible


def test_cover_equals_brute_force():
    rng = np.random.default_rng(0)
    answers = set()
    for _ in range(60):
        rows = rng.uniform(size=(10, 7)) < 0.35
        size = int(rng.integers(1, 5))
        possible = any(rows[:, list(columns)].any(axis=1).all() for columns in combinations(range(7), size))
        answer = cover(rows, size, time_limit_seconds=10)
        assert answer.impossible is not possible
        if possible:
            assert len(answer.picks) <= size
            assert rows[:, list(answer.picks)].any(axis=1).all()
        answers.add(possible)
    assert answers == {True, False}


def test_minimal_rows_keep_what_decides():
    rows = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 1, 1], [0, 0, 1]], dtype=bool)
    assert sorted(minimal_rows(rows).astype(int).tolist()) == [[0, 0, 1], [1, 0, 0]]


def test_maximal_columns_by_hand():
    """Column 1 covers less than 0, column 2 the same as 0, column 4 nothing."""
    rows = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 0]], dtype=bool)
    assert maximal_columns(rows).tolist() == [0, 3]


def test_exchange_ends_where_no_swap_helps():
    rng = np.random.default_rng(0)
    table = rng.uniform(size=(30, 12))
    for size in (1, 3, 5):
        picks = exchange(table, [0], size)
        height = table[:, picks].min(axis=1).max()
        assert len(set(picks)) == size
        assert height <= table[:, 0].max()
        for place in range(size):
            for column in range(12):
                swapped = [*picks[:place], column, *picks[place + 1 :]]
                assert table[:, swapped].min(axis=1).max() >= height
