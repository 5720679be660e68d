"""The kinds of a forecaster's output: how many numbers describe a target, in which unit, and how they are trained."""

import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from kerasrnn._backend import keras
from kerasrnn.models.forecast_losses import GaussianNLL, PinballLoss, crps_gaussian, crps_quantiles

ops = keras.ops
OUTPUTS = ("mean", "quantile", "gaussian")


def numbers_a_target(kind: str, quantiles: Sequence[float]) -> int:
    return {"mean": 1, "quantile": len(quantiles), "gaussian": 2}[kind]


def outputs_by_name(kind: str, quantiles: Sequence[float]) -> list[str]:
    """What the numbers of a target are, in their order."""
    return {"mean": ["mean"], "quantile": [f"quantile {q:g}" for q in quantiles], "gaussian": ["mean", "deviation"]}[kind]


def in_unit(kind: str, x: Any, location: Any, scale: Any) -> Any:
    """The output layer's numbers, (…, channels, numbers), as outputs in the series' unit."""
    if kind == "mean":
        return location + scale * x[..., 0]
    location, scale = location[..., None], scale[..., None]
    if kind == "quantile":
        # In order, as quantiles are; this never makes the loss larger (Chernozhukov et al., 2010).
        return location + scale * ops.sort(x, axis=-1)
    # With a deviation near 0 the likelihood would overflow.
    deviation = ops.softplus(x[..., 1:]) + 1e-4
    return ops.concatenate([location + scale * x[..., :1], scale * deviation], axis=-1)


def point_of(kind: str, quantiles: Sequence[float], outputs: Any) -> Any:
    """The mean, or the quantile nearest to the median."""
    if kind == "mean":
        return outputs
    nearest = min(range(len(quantiles)), key=lambda i: abs(quantiles[i] - 0.5))
    return outputs[..., nearest if kind == "quantile" else 0]


def is_distribution(kind: str, quantiles: Sequence[float]) -> bool:
    """Whether the outputs say how a target is spread, and not only where it lies."""
    return kind == "gaussian" or (kind == "quantile" and len(quantiles) > 1)


def drawn(kind: str, quantiles: Sequence[float], outputs: Any, normals: Any) -> Any:
    """Values (…, channels) of outputs (…, channels, numbers), each where a standard normal number says.

    Between its levels a quantile function is linear in Φ⁻¹(level), and goes on so beyond: exact for a normal distribution.
    """
    if kind == "gaussian":
        return outputs[..., 0] + outputs[..., 1] * normals
    levels = _normal_quantiles(quantiles)
    values = outputs[..., 0]
    for i, (low, high) in enumerate(itertools.pairwise(levels)):
        # How far it is into this piece, in shares of the piece; the first and the last have no end.
        inside = normals if i == 0 else ops.maximum(normals, low)
        inside = inside if i == len(levels) - 2 else ops.minimum(inside, high)
        values += (outputs[..., i + 1] - outputs[..., i]) * ((inside - low) * (1 / (high - low)))
    return values


def quantiles_of(kind: str, quantiles: Sequence[float], outputs: Any) -> Any:
    """Outputs (…, channels, numbers) as quantiles (…, channels, levels)."""
    if kind == "quantile":
        return outputs
    return outputs[..., :1] + outputs[..., 1:] * np.array(_normal_quantiles(quantiles), np.float32)


def summary_of(kind: str, quantiles: Sequence[float], paths: np.ndarray) -> np.ndarray:
    """Paths (batch, num_paths, steps, channels) as outputs of their kind, (batch, steps, channels, numbers)."""
    if kind == "gaussian":
        return np.stack([paths.mean(axis=1), paths.std(axis=1, ddof=1)], axis=-1)
    # Weibull's positions: one more path would lie below a quantile with just its probability, however few paths there are.
    return np.moveaxis(np.quantile(paths, quantiles, axis=1, method="weibull").astype(np.float32), 0, -1)


def fewest_paths(kind: str, quantiles: Sequence[float]) -> int:
    """How many paths have the quantiles, or a deviation, between them."""
    if kind == "gaussian":
        return 2
    # (0.1, 0.9) need nine: 1 / (1 − 0.9) is a little above 10.
    return max(2, math.ceil(1 / min(quantiles[0], 1 - quantiles[-1]) - 1e-6) - 1)


def _normal_quantiles(levels: Sequence[float]) -> list[float]:
    return [NormalDist().inv_cdf(level) for level in levels]


def loss_of(kind: str, quantiles: Sequence[float]) -> Any:
    if kind == "quantile":
        return PinballLoss(quantiles)
    return GaussianNLL() if kind == "gaussian" else keras.losses.MeanSquaredError()


def metrics_of(kind: str, quantiles: Sequence[float]) -> list[Any]:
    if kind == "mean":
        return [keras.metrics.MeanAbsoluteError(name="mae")]
    if kind == "quantile":
        return [keras.metrics.MeanMetricWrapper(crps_quantiles, name="crps", quantiles=list(quantiles))]
    return [keras.metrics.MeanMetricWrapper(crps_gaussian, name="crps")]
