"""The kinds of a forecaster's output: how many numbers describe a target, in which unit, and how they are trained."""

from collections.abc import Sequence
from typing import Any

from kerasrnn._backend import keras
from kerasrnn.models.forecast_losses import GaussianNLL, PinballLoss, crps_gaussian, crps_quantiles

ops = keras.ops
OUTPUTS = ("mean", "quantile", "gaussian")


def numbers_a_target(kind: str, quantiles: Sequence[float]) -> int:
    return {"mean": 1, "quantile": len(quantiles), "gaussian": 2}[kind]


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
