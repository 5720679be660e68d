"""Windows in units that a network learns well in, and the way back to the series' own."""

from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.models._series_arrays import series_arrays

ops = keras.ops
NORMALIZATIONS = ("last", "window", "standard", None)


@keras.saving.register_keras_serializable(package="kerasrnn")
class Scaling(keras.layers.Layer):
    """Gives (batch, time, channels + covariates) scaled, and the channels' location and scale, (batch, 1, channels)."""

    def __init__(self, channels: int, covariates: int, normalization: str | None, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.channels, self.covariates, self.normalization = channels, covariates, normalization

    def build(self, input_shape: Any = None) -> None:
        if self.normalization in ("last", "standard"):
            size = (self.channels + self.covariates,)
            # A deviation of 0 marks what was never adapted.
            initial = np.ones(size) if self.normalization == "last" else np.zeros(size)
            self.mean = self.add_weight(size, "zeros", name="mean")
            self.deviation = self.add_weight(size, lambda shape, dtype=None: ops.cast(initial, dtype), name="deviation")
        self.built = True

    def call(self, inputs: Any) -> tuple[Any, Any, Any]:
        inputs = ops.cast(inputs, self.compute_dtype)
        own, extra = inputs[..., : self.channels], inputs[..., self.channels :]
        location, scale = ops.zeros_like(own[:, :1]), ops.ones_like(own[:, :1])
        if self.normalization == "window":
            location = ops.mean(own, axis=1, keepdims=True)
            # Kim et al.'s constant: a window may be flat.
            scale = ops.sqrt(ops.mean(ops.square(own - location), axis=1, keepdims=True) + 1e-5)
        elif self.normalization is not None:
            self.check_adapted()
            mean, deviation = ops.cast(self.mean, own.dtype), ops.cast(self.deviation, own.dtype)
            location = own[:, -1:] if self.normalization == "last" else location + mean[: self.channels]
            scale = scale * deviation[: self.channels]
            extra = (extra - mean[self.channels :]) / deviation[self.channels :]
        own = (own - location) / scale
        return (ops.concatenate([own, extra], axis=-1) if self.covariates else own), location, scale

    def check_adapted(self) -> None:
        if self.normalization != "standard":
            return
        with tf.init_scope():  # out of the graph that is being traced, to where the values are
            if tf.executing_eagerly() and not np.all(ops.convert_to_numpy(self.deviation) > 0):
                raise ValueError(
                    "normalization='standard': expected the mean and the deviation of a series; received none. "
                    "Call model.adapt(series) with the training part before fit, predict or a call."
                )

    def adapt(self, series: Any, covariates: Any) -> None:
        if self.normalization not in ("last", "standard"):
            raise ValueError(
                f"normalization: expected 'standard' or 'last' for adapt; received {self.normalization!r}, which takes "
                "nothing over from a series. Leave adapt out."
            )
        mean, deviation = _moments("series", "channel", series, self.channels)
        extra = np.zeros(self.covariates), np.ones(self.covariates)
        if covariates is not None:
            extra = _moments("covariates", "covariate", covariates, self.covariates)
        self.mean.assign(np.concatenate([mean, extra[0]]))
        self.deviation.assign(np.concatenate([deviation, extra[1]]))

    def get_config(self) -> dict[str, Any]:
        names = ("channels", "covariates", "normalization")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _moments(name: str, column: str, series: Any, channels: int) -> tuple[np.ndarray, np.ndarray]:
    values = np.concatenate(series_arrays(name, series, channels))
    values = np.where(np.isfinite(values), values, np.nan)
    for i, known in enumerate(np.isfinite(values).sum(axis=0)):
        if not known:
            raise ValueError(
                f"{name}: expected finite values to adapt to; received none in {column} {i}. Give another span."
            )
    mean, deviation = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    for i in np.flatnonzero(~(deviation > 1e-7 * np.abs(mean))):
        raise ValueError(
            f"{name}: expected values that vary; received a constant {column} {i}, {mean[i]:g} throughout, whose scale is "
            "0. Leave it out, or use normalization='last' without adapt, 'window' or None."
        )
    return mean, deviation
