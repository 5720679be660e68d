"""The largest singular value and eigenvalue of matrices that are known by their products only, many at once."""

from collections.abc import Callable

import numpy as np

Product = Callable[[np.ndarray], np.ndarray]
_TINY = 1e-30


def largest_singular_values(times: Product, transposed_times: Product, start: np.ndarray, steps: int) -> np.ndarray:
    """Golub–Kahan–Lanczos bidiagonalisation, with all vectors kept orthogonal.

    Args:
        times, transposed_times: v ↦ J v and v ↦ Jᵀ v, (points, size) each.
        start: (points, size) random numbers.
        steps: how many products from either side.

    Returns:
        (points,).
    """
    points, size = start.shape
    steps = min(steps, size)
    right, left = np.zeros((steps + 1, points, size)), np.zeros((steps, points, size))
    diagonal = np.zeros((points, steps, steps))
    right[0] = start / _norm(start)
    for j in range(steps):
        u, _ = _orthogonal(times(right[j]), left[:j])
        diagonal[:, j, j] = alpha = _norm(u)[:, 0]
        left[j] = u / np.maximum(alpha, _TINY)[:, None]
        v, _ = _orthogonal(transposed_times(left[j]), right[: j + 1])
        beta = _norm(v)[:, 0]
        right[j + 1] = v / np.maximum(beta, _TINY)[:, None]
        if j + 1 < steps:
            diagonal[:, j, j + 1] = beta
    return np.linalg.svd(diagonal, compute_uv=False)[:, 0]


def spectral_radii(times: Product, start: np.ndarray, steps: int) -> np.ndarray:
    """Arnoldi's iteration: the largest |eigenvalue| of what J is on a Krylov space of `steps` dimensions. (points,)"""
    points, size = start.shape
    steps = min(steps, size)
    basis, hessenberg = np.zeros((steps + 1, points, size)), np.zeros((points, steps + 1, steps))
    basis[0] = start / _norm(start)
    for j in range(steps):
        w, coefficients = _orthogonal(times(basis[j]), basis[: j + 1])
        hessenberg[:, : j + 1, j] = coefficients.T
        hessenberg[:, j + 1, j] = length = _norm(w)[:, 0]
        basis[j + 1] = w / np.maximum(length, _TINY)[:, None]
    return np.abs(np.linalg.eigvals(hessenberg[:, :steps])).max(axis=1)


def _norm(v: np.ndarray) -> np.ndarray:
    return np.linalg.norm(v, axis=1, keepdims=True)


def _orthogonal(v: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """v without its parts along a basis, (count, points, size), and those parts, (count, points); twice, for rounding."""
    parts = np.zeros(basis.shape[:2])
    for _ in range(2):
        along = np.einsum("kpn,pn->kp", basis, v)
        v = v - np.einsum("kp,kpn->pn", along, basis)
        parts += along
    return v, parts
