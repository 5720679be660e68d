"""The forecaster: windows of time series in, what follows them out, with the scaling inside."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.layers import RNN
from kerasrnn._portable.arguments import positive_integer
from kerasrnn.models._distributed import Distributed
from kerasrnn.models._forecast_outputs import (
    OUTPUTS,
    in_unit,
    is_distribution,
    loss_of,
    metrics_of,
    numbers_a_target,
    outputs_by_name,
    point_of,
)
from kerasrnn.models._scaling import NORMALIZATIONS, Scaling
from kerasrnn.models.forecast_losses import quantiles_in_order
from kerasrnn.models.forecast_paths import PathSampler
from kerasrnn.models.multi_step import MultiStep
from kerasrnn.models.text_methods import TextMethods

ops = keras.ops


@keras.saving.register_keras_serializable(package="kerasrnn")
class Forecaster(MultiStep, Distributed):
    """A model of time series: linear or feed-forward on τ past values, or recurrent.

        x̂_(t+1), …, x̂_(t+h) = W · (x_(t−τ+1), …, x_t) + b           linear: neither cells nor hidden
                             = MLP(x_(t−τ+1), …, x_t)                hidden: the Markov assumption
                             = W · h_t + b,    h_t = cells over time(x_(t−τ+1), …, x_t)        cells: latent autoregressive

    All outputs are in the series' own unit, as the windows are: what scales them is part of the model.

    | normalization | reads each window as | |
    | --- | --- | --- |
    | "last" | (x − its last value) / s | s is 1, or the deviation of what `adapt` was given |
    | "window" | (x − its mean) / its deviation | Kim et al. (2022), without the affine part |
    | "standard" | (x − m) / s | mean and deviation of what `adapt` was given, which it needs |
    | None | x | |

    Covariates are read as they are, unless `adapt` is given them.

    Beyond the horizon, quantiles (two or more) and Gaussian outputs are those of paths: values drawn from the model's
    distributions and read as if they had been seen (`predict_paths`). Other outputs are points, which are fed back.

    Args:
        cells: a cell, or a list of cells, one layer each; of `kerasrnn.cells`, Keras's, or your own.
        horizon: how many steps are forecast at once.
        output: "mean" (trained by squared error), "quantile" (pinball loss) or "gaussian" (negative log-likelihood).
        quantiles: in (0, 1) and ascending: with output="quantile" those of the outputs, which never cross; with "gaussian"
            those that an exported `forecast` gives.
        channels: how many channels the series has.
        normalization: "last", "window", "standard" or None: see above.
        hidden: units of the hidden layers of a feed-forward network, in place of cells.
        lags: τ, how many values a window has; needed without cells. With cells windows may have any length, unless it is
            given.
        covariates: how many further input channels there are, after the series' own.
        patch: how many steps of the window the cells read at once, as one step of theirs; the lags are a multiple of it.
        return_sequences: whether every step of the window gets its forecast, for training on all of them and for
            streaming; with cells, patch=1, and normalization "standard" or None, as no step may see a later one.
        activation: of the hidden layers.
        dropout: share of each layer's outputs dropped in training.
        **kwargs: as in `keras.Model`.

    Call arguments:
        inputs: (batch, lags, channels + covariates) numbers; with cells, of any length unless `lags` are given.
        training: whether dropout is applied.

    Returns:
        float32: (batch, horizon, channels) of means; (batch, horizon, channels, quantiles); or (batch, horizon, channels, 2)
        of means and standard deviations. With `return_sequences` (batch, lags, horizon, …), as are its targets.

    Raises:
        ValueError: an argument outside its range, arguments that exclude each other, or inputs of another shape.

    Example:

    >>> import numpy as np, kerasrnn
    >>> series = np.sin(0.1 * np.arange(200))
    >>> model = kerasrnn.models.Forecaster([kerasrnn.cells.GRUCell(8)], horizon=2)
    >>> model.compile()
    >>> history = model.fit(kerasrnn.data.forecast_dataset(series, lags=16, horizon=2), verbose=0)
    >>> model.forecast(series[-16:], steps=5).shape
    (5, 1)
    >>> kerasrnn.models.Forecaster(lags=4, output="quantile")(np.zeros((3, 4, 1))).shape
    TensorShape([3, 1, 1, 3])

    References:
        Kim, T. et al. (2022). Reversible instance normalization for accurate time-series forecasting. ICLR.
        Salinas, D. et al. (2020). DeepAR. International Journal of Forecasting 36 (recurrent, with Gaussian outputs, and paths).
        Zeng, A. et al. (2023). Are transformers effective for time series forecasting? AAAI (the linear model and "last").
    """

    def __init__(
        self,
        cells: Any = (),
        horizon: int = 1,
        output: str = "mean",
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        channels: int = 1,
        normalization: str | None = "last",
        hidden: Sequence[int] = (),
        lags: int | None = None,
        covariates: int = 0,
        patch: int = 1,
        return_sequences: bool = False,
        activation: Any = "relu",
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.autocast = False  # in half precision a series would lose digits, or overflow, before it is scaled
        self.cells = list(cells) if isinstance(cells, (list, tuple)) else [cells]
        hidden = list(hidden) if isinstance(hidden, (list, tuple)) else [hidden]
        self.hidden = [positive_integer("hidden", units) for units in hidden]
        self.horizon, self.channels = positive_integer("horizon", horizon), positive_integer("channels", channels)
        self.lags = None if lags is None else positive_integer("lags", lags)
        self.covariates = 0 if covariates == 0 else positive_integer("covariates", covariates)
        self.patch = positive_integer("patch", patch)
        self.output_kind, self.quantiles = output, quantiles_in_order(quantiles)
        self.normalization = normalization
        self.return_sequences = return_sequences
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self._check()
        policy = self.dtype_policy
        self.scaling = Scaling(self.channels, self.covariates, normalization, dtype=policy.variable_dtype, name="scaling")
        last = len(self.cells) - 1
        self.recurrent_layers = [
            RNN(cell, return_sequences=return_sequences or i < last, dtype=policy, name=f"rnn_{i}")
            for i, cell in enumerate(self.cells)
        ]
        self.hidden_layers = [
            keras.layers.Dense(units, self.activation, dtype=policy, name=f"hidden_{i}")
            for i, units in enumerate(self.hidden)
        ]
        self.dropout_layers = [keras.layers.Dropout(dropout, dtype=policy) for _ in [*self.cells, *self.hidden]]
        numbers = numbers_a_target(self.output_kind, self.quantiles)
        self.output_layer = keras.layers.Dense(self.horizon * self.channels * numbers, dtype=policy, name="output")
        self.build((None, self.lags, self.channels + self.covariates))

    def _check(self) -> None:
        if self.output_kind not in OUTPUTS:
            raise ValueError(f"output: expected one of {OUTPUTS}; received {self.output_kind!r}.")
        if self.normalization not in NORMALIZATIONS:
            raise ValueError(f"normalization: expected one of {NORMALIZATIONS}; received {self.normalization!r}.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: expected a share in [0, 1); received {self.dropout!r}.")
        if self.cells and self.hidden:
            raise ValueError(
                f"hidden: expected none beside cells; received {self.hidden}. Leave one of the two out: a forecaster is "
                "recurrent or feed-forward."
            )
        if not self.cells and self.lags is None:
            raise ValueError(
                "lags: expected how many past values a window has, as a forecaster without cells needs; received None. "
                "Give the lags of forecast_dataset."
            )
        if self.patch > 1 and (not self.cells or (self.lags or self.patch) % self.patch):
            raise ValueError(
                f"patch: expected a divisor of lags, and cells that read the patches; received {self.patch} with "
                f"lags={self.lags} and {len(self.cells)} cells. Give patch=1, or other lags."
            )
        if self.return_sequences and (not self.cells or self.patch > 1 or self.normalization in ("last", "window")):
            raise ValueError(
                "return_sequences=True: expected cells, patch=1, and normalization 'standard' or None, so that no step sees "
                f"a later one; received {len(self.cells)} cells, patch={self.patch}, normalization={self.normalization!r}."
            )

    def build(self, input_shape: Any = None) -> None:
        if self.built:
            return
        width = (self.channels + self.covariates) * (self.patch if self.cells else self.lags)
        self.scaling.build(None)
        for layer in self.recurrent_layers:
            layer.build((None, None, width))
            layer.built = True
            width = layer.cell.output_size
        for layer in self.hidden_layers:
            layer.build((None, width))
            width = layer.units
        self.output_layer.build((None, width))
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        inputs = self._checked(inputs)
        x, location, scale = self.scaling(inputs)
        x = ops.cast(x, self.compute_dtype)
        features = self.channels + self.covariates
        if not self.cells:
            x = ops.reshape(x, (-1, self.lags * features))
        elif self.patch > 1:
            x = ops.reshape(x, (tf.shape(x)[0], -1, self.patch * features))
        for layer, dropout in zip([*self.recurrent_layers, *self.hidden_layers], self.dropout_layers, strict=True):
            x = dropout(layer(x, training=training) if self.cells else layer(x), training=training)
        x = ops.cast(self.output_layer(x), location.dtype)
        batch, time = tf.unstack(tf.shape(inputs)[:2])
        leading = (batch, time) if self.return_sequences else (batch,)
        x = ops.reshape(x, (*leading, self.horizon, self.channels, numbers_a_target(self.output_kind, self.quantiles)))
        if self.return_sequences:
            location, scale = location[:, None], scale[:, None]
        return in_unit(self.output_kind, x, location, scale)

    def _checked(self, inputs: Any) -> Any:
        inputs = ops.convert_to_tensor(inputs)
        features = self.channels + self.covariates
        if (
            len(inputs.shape) != 3
            or inputs.shape[2] != features
            or inputs.shape[1] not in (None, self.lags or inputs.shape[1])
        ):
            raise ValueError(
                f"inputs: expected windows of shape (batch, {self.lags or 'time'}, {features}), for {self.channels} "
                f"channels and {self.covariates} covariates; received {tuple(inputs.shape)}. Cut them with forecast_dataset, "
                "and make the model for as many channels and covariates as the series has."
            )
        if self.patch > 1 and inputs.shape[1] is not None and inputs.shape[1] % self.patch:
            raise ValueError(
                f"inputs: expected a number of time steps that is a multiple of patch={self.patch}; received "
                f"{inputs.shape[1]}. Give other lags."
            )
        return inputs

    def adapt(self, series: Any, covariates: Any = None) -> None:
        """Takes over the mean and the deviation of the training part of a series, for normalization "standard" and "last".

        Args:
            series: (time,) or (time, channels) numbers, or a list of such; NaN is left out.
            covariates: (time, covariates) numbers, or a list of such, to scale these too.

        Raises:
            ValueError: a channel is constant, so that there is no scale, or there are other channels than the model's.

        Example:

        >>> import kerasrnn
        >>> model = kerasrnn.models.Forecaster(lags=2, normalization="standard")
        >>> model.adapt([1.0, 2.0, 3.0])
        """
        self.scaling.adapt(series, covariates)

    def _horizon_ahead(self, windows: np.ndarray) -> np.ndarray:
        outputs = np.asarray(self.predict_on_batch(windows))
        return outputs[:, -1] if self.return_sequences else outputs

    @functools.cached_property
    def path_sampler(self) -> PathSampler | None:  # type: ignore[override]
        """What draws paths, and is exported as `forecast`; None where the outputs are points."""
        if not is_distribution(self.output_kind, self.quantiles):
            return None

        def ahead(windows: Any) -> Any:
            outputs = ops.cast(self(windows, training=False), "float32")
            return outputs[:, -1] if self.return_sequences else outputs

        shape = self.horizon, self.channels, self.covariates, self.lags
        return PathSampler(self.output_kind, tuple(self.quantiles), *shape, ahead)

    @property
    def forecast_description(self) -> dict[str, Any]:
        """For exporters: what the model reads, and what its outputs (…, horizon, channels[, numbers]) are."""
        names = ("horizon", "channels", "covariates", "lags")
        outputs = outputs_by_name(self.output_kind, self.quantiles)
        return {**{name: getattr(self, name) for name in names}, "output": self.output_kind, "outputs": outputs}

    def point_forecast(self, outputs: Any) -> Any:
        """The single values among outputs, (…, channels): the mean, or the quantile nearest to the median."""
        return point_of(self.output_kind, self.quantiles, outputs)

    def compile(self, optimizer: Any = "adam", loss: Any = "auto", weighted_metrics: Any = "auto", **kwargs: Any) -> None:
        """As `keras.Model.compile`; "auto" is the loss of the output's kind; as metric the absolute error or the CRPS."""
        if loss == "auto":
            loss = loss_of(self.output_kind, self.quantiles)
        if weighted_metrics == "auto":
            weighted_metrics = metrics_of(self.output_kind, self.quantiles)
        super().compile(optimizer=optimizer, loss=loss, weighted_metrics=weighted_metrics, **kwargs)

    def make_train_function(self, force: bool = False) -> None:
        self.scaling.check_adapted()  # before Keras traces a step, whose failure it would not recover from
        super().make_train_function(force)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def export(self, filepath: Any, format: str = "tf_saved_model", verbose: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.export`, by `kerasrnn.export.export_onnx` or `export_saved_model`, which take the **kwargs.

        With `return_sequences` there is a step too: `kerasrnn.export.runtime.load(folder)` then streams. Quantiles (two or
        more) and Gaussian outputs leave `forecast`, too: what `predict_paths` draws, and its quantiles.

        Args:
            filepath: with "onnx", the artefact's folder; with "tf_saved_model", that of TensorFlow Serving's versions.
            format: "tf_saved_model" or "onnx".
            verbose: whether to print the table of differences.

        Returns:
            The path of the folder written.
        """
        windows = keras.InputSpec(shape=(None, self.lags, self.channels + self.covariates), dtype="float32")
        kwargs.setdefault("input_signature", [windows])
        return TextMethods.export(self, filepath, format, verbose, **kwargs)

    def get_config(self) -> dict[str, Any]:
        names = (
            "horizon", "quantiles", "channels", "normalization", "hidden", "lags", "covariates", "patch", "return_sequences",
            "dropout",
        )  # fmt: skip
        return {
            **super().get_config(),
            "cells": [keras.saving.serialize_keras_object(cell) for cell in self.cells],
            "output": self.output_kind,
            "activation": keras.activations.serialize(self.activation),
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Forecaster":
        read = functools.partial(keras.saving.deserialize_keras_object, custom_objects=custom_objects)
        return cls(**{**config, "cells": read(config["cells"]), "activation": read(config["activation"])})
