import numpy as np
import pytest

from palm.reporting.plots.regions import area_share, centroid, serving_regions


def test_area_shares_agree_with_a_count_of_sampled_preferences():
    generator = np.random.default_rng(3)
    for count in (2, 4, 9):
        values = generator.uniform(0.3, 0.8, size=(count, 3))
        preferences = generator.dirichlet(np.ones(3), size=40000)
        counted = np.bincount((preferences @ values.T).argmax(axis=1), minlength=count) / len(preferences)
        shares = np.array([area_share(polygon) for polygon in serving_regions(values)])
        assert shares.sum() == pytest.approx(1.0, abs=1e-12)
        np.testing.assert_allclose(shares, counted, atol=0.012)


def test_corners_of_a_region_are_preferences_where_no_other_policy_is_better():
    values = np.random.default_rng(4).uniform(size=(6, 3))
    for own, polygon in enumerate(serving_regions(values)):
        assert (polygon >= -1e-12).all()
        np.testing.assert_allclose(polygon.sum(axis=1), 1.0)
        assert ((polygon @ values[own])[:, None] >= polygon @ values.T - 1e-12).all()


def test_identical_policies_share_no_region():
    shares = [area_share(polygon) for polygon in serving_regions(np.full((3, 3), 0.5))]
    assert shares == [1.0, 0.0, 0.0]


def test_symmetric_values_split_the_simplex_in_thirds():
    for corner, polygon in enumerate(serving_regions(np.eye(3))):
        assert area_share(polygon) == pytest.approx(1 / 3)
        expected = np.full(3, 7 / 36)
        expected[corner] = 22 / 36
        np.testing.assert_allclose(centroid(polygon), expected)
