"""Interpolation of J* between trained policies: a guess that chooses what to train next and never enters a proof."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from palm.geometry.arrays import Array

LENGTH = 1.0
"""Length scale of the covariance on the simplex, whose edges are √2 long: between 0.7 and 1.0 the errors are alike."""
NUGGET = 1e-6
"""Added to the covariance's diagonal: neighbours make it singular to rounding."""
STEP = 1e-4
"""Step of the central differences for the curvature."""


class Interpolation:
    """A smooth function through the values and gradients of J* that policies give.

    Args:
        weights: preferences w_k, shape (n, d).
        values: value vectors a_k, shape (n, d): a_k · w_k is the value at w_k, and a_k the gradient on the simplex.

    Source:
        Kriging with gradients (Morris, Mitchell and Ylvisaker, 1993): Gaussian covariance, constant mean by
        generalised least squares.
    """

    def __init__(self, weights: Array, values: Array):
        """Fit."""
        d = weights.shape[1]
        self.weights = weights
        self.tangents = tangent_basis(d)
        known = np.column_stack([(weights * values).sum(axis=1), LENGTH * values @ self.tangents]).ravel()
        constant = np.tile(np.append(1.0, np.zeros(d - 1)), len(weights))
        covariance = self._covariance(weights)
        factor = cho_factor(covariance + NUGGET * np.eye(len(covariance)))
        solved = cho_solve(factor, np.column_stack([known, constant]))
        self.mean = (constant @ solved[:, 0]) / (constant @ solved[:, 1])
        self.coefficients = solved[:, 0] - self.mean * solved[:, 1]

    def _covariance(self, weights: Array) -> Array:
        """Covariance of (value, scaled tangent gradient) at some preferences with those at the known ones."""
        steps = (weights[:, None] - self.weights[None]) / LENGTH
        kernel = np.exp(-0.5 * (steps**2).sum(axis=2))[..., None, None]
        along = steps @ self.tangents
        size = along.shape[2]
        table = np.empty((*along.shape[:2], 1 + size, 1 + size))
        table[..., 0, 0] = 1.0
        table[..., 1:, 0], table[..., 0, 1:] = -along, along
        table[..., 1:, 1:] = np.eye(size) - along[..., :, None] * along[..., None, :]
        return (table * kernel).transpose(0, 2, 1, 3).reshape(len(weights) * (1 + size), -1)

    def __call__(self, weights: Array) -> tuple[Array, Array]:
        """Guess J*, shape (m,), and its gradient along the simplex, shape (m, d), whose rows sum to 0."""
        parts = (self._covariance(weights) @ self.coefficients).reshape(len(weights), -1)
        return parts[:, 0] + self.mean, parts[:, 1:] / LENGTH @ self.tangents.T

    def curvature(self, weights: Array) -> Array:
        """Guess the second derivatives of J* along the simplex, shape (m, d, d)."""
        m, d = weights.shape
        steps = STEP * self.tangents.T
        ahead = self((weights[:, None] + steps).reshape(-1, d))[1].reshape(m, d - 1, d)
        behind = self((weights[:, None] - steps).reshape(-1, d))[1].reshape(m, d - 1, d)
        return np.einsum("dt,mte->mde", self.tangents, (ahead - behind) / (2 * STEP))


def tangent_basis(objectives: int) -> Array:
    """Make an orthonormal basis of the directions along the simplex, shape (d, d - 1)."""
    d = objectives
    return np.linalg.qr(np.column_stack([np.ones(d), np.eye(d)[:, : d - 1]]))[0][:, 1:]


def value_vector(weights: Array, optimum: Array, gradients: Array) -> Array:
    """Give the value vectors of policies that are optimal at preferences with these values and gradients of J*.

    Returns:
        Shape (m, d): a · w is the optimum, and a differs from the gradient by a constant.
    """
    return gradients + (optimum - (gradients * weights).sum(axis=1))[:, None]
