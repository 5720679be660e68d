"""How good forecasts are: losses of quantile and Gaussian outputs, the CRPS, and coverage."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from kerasrnn._backend import keras

ops = keras.ops
_package = keras.saving.register_keras_serializable(package="kerasrnn")


@_package
def pinball_loss(targets: Any, outputs: Any, quantiles: Sequence[float]) -> Any:
    """The quantile loss: least, on average, where each output is that quantile of the targets.

        loss = mean over q of max(q · (y − ŷ_q), (q − 1) · (y − ŷ_q))

    Args:
        targets: numbers of any shape.
        outputs: the targets' shape and one more axis, one value a quantile.
        quantiles: the shares below each output, in (0, 1).

    Returns:
        The losses, of the targets' shape and in their unit.

    Raises:
        ValueError: the outputs have another number of quantiles.

    Example:

    >>> round(float(pinball_loss(10.0, [8.0, 11.0], quantiles=[0.5, 0.9])), 4)
    0.55

    Reference:
        Koenker, R. and Bassett, G. (1978). Regression quantiles. Econometrica 46.
    """
    outputs = _with_last_axis(outputs, len(quantiles), f"one value for each of the quantiles {list(quantiles)}")
    errors = ops.expand_dims(ops.cast(targets, outputs.dtype), -1) - outputs
    q = ops.convert_to_tensor(list(quantiles), outputs.dtype)
    return ops.mean(ops.maximum(q * errors, (q - 1) * errors), axis=-1)


@_package
def gaussian_nll(targets: Any, outputs: Any) -> Any:
    """The negative log-likelihood of targets under normal distributions, in nats.

        loss = ½ log(2π) + log σ + ½ ((y − μ) / σ)²

    Args:
        targets: numbers of any shape.
        outputs: the targets' shape and one more axis of two: mean μ and standard deviation σ > 0.

    Returns:
        The losses, of the targets' shape.

    Raises:
        ValueError: the outputs' last axis is not of two.

    Example:

    >>> round(float(gaussian_nll(0.0, [0.0, 1.0])), 4)
    0.9189
    """
    targets, mean, deviation = _gaussian(targets, outputs)
    return 0.5 * math.log(2 * math.pi) + ops.log(deviation) + 0.5 * ops.square((targets - mean) / deviation)


@_package
def crps_gaussian(targets: Any, outputs: Any) -> Any:
    """The continuous ranked probability score of normal distributions: the absolute error, made for distributions.

        CRPS = ∫ (F(x) − 1[x ≥ y])² dx = σ (z (2Φ(z) − 1) + 2φ(z) − 1/√π),        z = (y − μ) / σ

    Args:
        targets: numbers of any shape.
        outputs: the targets' shape and one more axis of two: mean μ and standard deviation σ > 0.

    Returns:
        The scores, of the targets' shape and in their unit; smaller is better.

    Raises:
        ValueError: the outputs' last axis is not of two.

    Example:

    >>> round(float(crps_gaussian(0.0, [0.0, 1.0])), 4)
    0.2337

    Reference:
        Gneiting, T. and Raftery, A. (2007). Strictly proper scoring rules, prediction, and estimation. Journal of the
        American Statistical Association 102.
    """
    targets, mean, deviation = _gaussian(targets, outputs)
    z = (targets - mean) / deviation
    density = ops.exp(-0.5 * ops.square(z)) / math.sqrt(2 * math.pi)
    return deviation * (z * ops.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))


@_package
def crps_quantiles(targets: Any, outputs: Any, quantiles: Sequence[float]) -> Any:
    """The continuous ranked probability score, from quantiles: twice their mean pinball loss.

    It nears the true score as evenly spaced quantiles become many. Of the median alone it is the absolute error.

    Args:
        targets: numbers of any shape.
        outputs: the targets' shape and one more axis, one value a quantile.
        quantiles: the shares below each output, in (0, 1).

    Returns:
        The scores, of the targets' shape and in their unit; smaller is better.

    Raises:
        ValueError: the outputs have another number of quantiles.

    Example:

    >>> float(crps_quantiles(10.0, [8.0], quantiles=[0.5]))
    2.0

    Reference:
        Laio, F. and Tamea, S. (2007). Verification tools for probabilistic forecasts of continuous hydrological variables.
        Hydrology and Earth System Sciences 11.
    """
    return 2 * pinball_loss(targets, outputs, quantiles)


def coverage(targets: Any, low: Any, high: Any) -> float:
    """The share of targets within [low, high]: of the quantiles 0.1 and 0.9 it should be 0.8.

    Args:
        targets, low, high: numbers of one shape.

    Returns:
        A share in [0, 1].

    Raises:
        ValueError: the shapes differ, or there are no targets.

    Example:

    >>> coverage([1.0, 2.0, 3.0, 9.0], low=[0.0, 1.0, 2.0, 3.0], high=[2.0, 3.0, 4.0, 5.0])
    0.75
    """
    shapes = [tuple(ops.shape(one)) for one in (targets, low, high)]
    if len(set(shapes)) > 1 or 0 in shapes[0]:
        raise ValueError(
            f"targets, low, high: expected one shape, and at least one target; received the shapes {shapes}. "
            "Of a forecaster's outputs take outputs[..., 0] and outputs[..., -1]."
        )
    targets, low, high = (ops.convert_to_tensor(one) for one in (targets, low, high))
    return float(ops.mean(ops.cast(ops.logical_and(low <= targets, targets <= high), "float32")))


@_package
class PinballLoss(keras.losses.Loss):
    """`pinball_loss` as a Keras loss: a mean over channels and quantiles, which sample weights of (batch, horizon) weigh.

    Args:
        quantiles: the shares below each output, in (0, 1).
        **kwargs: as in `keras.losses.Loss`.

    Example:

    >>> float(PinballLoss([0.5])([[[1.0]]], [[[[3.0]]]]))
    1.0
    """

    def __init__(self, quantiles: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**{"name": "pinball_loss", **kwargs})
        self.quantiles = quantiles_in_order(quantiles)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.mean(pinball_loss(y_true, y_pred, self.quantiles), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "quantiles": self.quantiles}


@_package
class GaussianNLL(keras.losses.Loss):
    """`gaussian_nll` as a Keras loss: a mean over channels, which sample weights of (batch, horizon) weigh.

    Args:
        **kwargs: as in `keras.losses.Loss`.

    Example:

    >>> round(float(GaussianNLL()([[[0.0]]], [[[[0.0, 1.0]]]])), 4)
    0.9189
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"name": "gaussian_nll", **kwargs})

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.mean(gaussian_nll(y_true, y_pred), axis=-1)


def quantiles_in_order(quantiles: Sequence[float]) -> list[float]:
    values = [float(q) for q in quantiles]
    if not values or any(not 0 < q < 1 for q in values) or any(a >= b for a, b in itertools.pairwise(values)):
        raise ValueError(
            f"quantiles: expected at least one, in (0, 1) and ascending; received {quantiles!r}. Give (0.1, 0.5, 0.9), say."
        )
    return values


def _gaussian(targets: Any, outputs: Any) -> tuple[Any, Any, Any]:
    outputs = _with_last_axis(outputs, 2, "mean and standard deviation")
    return ops.cast(targets, outputs.dtype), outputs[..., 0], outputs[..., 1]


def _with_last_axis(outputs: Any, size: int, what: str) -> Any:
    outputs = ops.convert_to_tensor(outputs)
    if not outputs.shape or outputs.shape[-1] != size:
        raise ValueError(
            f"outputs: expected a last axis of {size}, {what}; received the shape {tuple(outputs.shape)}. "
            "Give the outputs of a Forecaster of that kind."
        )
    return outputs
