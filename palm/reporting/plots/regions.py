"""Serving regions: the part of the simplex of three rewards on which each policy is the best, as exact polygons."""

import numpy as np


def serving_regions(value_vectors: np.ndarray) -> list[np.ndarray]:
    """Cut the simplex into the regions in which each policy has the highest objective a_k · v; a of shape ``(n, 3)``.

    a_k · v is linear, so a region is the simplex cut by one half-plane for each competitor, exact up to rounding. Its
    corners, shape ``(m, 3)``, are in order; ``m = 0`` if the policy is nowhere the best or ties with an earlier one.
    """
    regions = []
    for own, value in enumerate(value_vectors):
        polygon = np.eye(3)
        for other, competitor in enumerate(value_vectors):
            if other == own:
                continue
            if other < own and np.array_equal(value, competitor):
                polygon = polygon[:0]
            polygon = _clip(polygon, value - competitor)
        regions.append(polygon)
    return regions


def _clip(polygon: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """The part of a convex polygon where ``normal · v >= 0`` (Sutherland and Hodgman, 1974)."""
    heights = polygon @ normal
    corners = []
    for index, height in enumerate(heights):
        following = (index + 1) % len(polygon)
        if height >= 0:
            corners.append(polygon[index])
        if height * heights[following] < 0:
            share = height / (height - heights[following])
            corners.append(polygon[index] + share * (polygon[following] - polygon[index]))
    # Fewer than three corners enclose no area: the policy is best on a line or at a point only.
    return np.array(corners) if len(corners) >= 3 else np.empty((0, 3))


def area_share(polygon: np.ndarray) -> float:
    """Area of a polygon on the simplex, corners in order of shape ``(m, 3)``, as a share of the whole simplex."""
    x, y = polygon[:, 0], polygon[:, 1]
    # In the first two barycentric coordinates the simplex has area 1/2, the shoelace formula's factor.
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def centroid(polygon: np.ndarray) -> np.ndarray:
    """Centre of mass of a convex polygon on the simplex, corners in order of shape ``(m, 3)``, ``m >= 3``."""
    triangles = [np.array([polygon[0], polygon[i], polygon[i + 1]]) for i in range(1, len(polygon) - 1)]
    areas = np.array([area_share(triangle) for triangle in triangles])
    centres = np.array([triangle.mean(axis=0) for triangle in triangles])
    return centres.mean(axis=0) if areas.sum() == 0 else areas @ centres / areas.sum()
