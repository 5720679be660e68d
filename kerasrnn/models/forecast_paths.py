"""Paths into the future: values drawn from a forecaster's outputs, fed back, and drawn again."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.models._forecast_outputs import drawn, fewest_paths, numbers_a_target, quantiles_of, summary_of
from kerasrnn.samplers.random_generator import normal, uniform

NUM_PATHS = 200


@dataclass(frozen=True, eq=False)
class PathSampler:
    """How a forecaster's paths are drawn, in TensorFlow: the same in its own methods and in what it exports.

        z = Φ⁻¹(u)                                  one u for each path, block of the horizon, and channel
        x_(t+1) … x_(t+h) = F⁻¹(Φ(z))               of the distributions that the model forecasts
        x_(t+h+1) … = the same, from the window that has these at its end

    One u serves a whole block: each step of it has its own distribution, and its steps err in the same direction. The
    channels are drawn independently of each other.

    Args:
        kind: of the outputs, "quantile" or "gaussian".
        levels: of the quantiles that are given out, ascending.
        horizon, channels, covariates, lags: the forecaster's.
        ahead: windows (rows, time, channels + covariates) → outputs (rows, horizon, channels, numbers).
    """

    kind: str
    levels: tuple[float, ...]
    horizon: int
    channels: int
    covariates: int
    lags: int | None
    ahead: Callable[[Any], Any]

    draws_a_path = 2**32  # numbers of the generator that a path has to itself

    @property
    def numbers(self) -> int:
        """How many the model gives for each value."""
        return numbers_a_target(self.kind, self.levels)

    def drawn(self, outputs: Any, uniforms: Any) -> Any:
        """Outputs (rows, horizon, channels, numbers) and uniform numbers (rows, channels) → (rows, horizon, channels)."""
        return tf.cast(drawn(self.kind, self.levels, outputs, normal(uniforms)[:, None]), tf.float32)

    def quantiles(self, outputs: Any) -> Any:
        """Outputs (rows, horizon, channels, numbers) → (rows, horizon, channels, levels)."""
        return tf.cast(quantiles_of(self.kind, self.levels, outputs), tf.float32)

    def summary(self, paths: np.ndarray) -> np.ndarray:
        """Paths (batch, num_paths, steps, channels) → outputs of the model's kind, (batch, steps, channels, numbers)."""
        return summary_of(self.kind, self.levels, paths)

    def rolled(self, windows: Any, outputs: Any, future: Any, seeds: Any, numbers: Any, steps: Any) -> Any:
        """One path a row.

        Args:
            windows: (rows, time, channels + covariates) float32.
            outputs: the model's of these windows.
            future: (rows, time, covariates) float32: of all steps that are fed back.
            seeds: (rows,) int64.
            numbers: (rows,) int32: of the path among those of its seed.
            steps: int32, at least 1.

        Returns:
            (rows, steps, channels) float32.
        """
        blocks = -(-steps // self.horizon)
        first = tf.cast(numbers, tf.int64)[:, None] * self.draws_a_path + tf.range(self.channels, dtype=tf.int64)

        def block(i: Any, windows: Any, outputs: Any, found: Any) -> Any:
            uniforms = uniform(seeds[:, None], first + tf.cast(i, tf.int64) * self.channels)
            values = self.drawn(outputs, uniforms)

            def fed() -> Any:
                beside = future[:, i * self.horizon : (i + 1) * self.horizon]
                longer = tf.concat([windows, tf.concat([values, beside], axis=2)], axis=1)
                later = longer[:, self.horizon :]
                later.set_shape(windows.shape)
                ahead = self.ahead(later)
                ahead.set_shape(outputs.shape)
                return later, ahead

            windows, outputs = tf.cond(i + 1 < blocks, fed, lambda: (windows, outputs))
            return i + 1, windows, outputs, found.write(i, values)

        shape = (None, self.horizon, self.channels)
        found = tf.TensorArray(tf.float32, blocks, element_shape=shape)
        shapes = (tf.TensorShape(()), windows.shape, outputs.shape, tf.TensorShape(None))
        *_, found = tf.while_loop(
            lambda i, *_: i < blocks, block, (tf.constant(0), windows, outputs, found), shape_invariants=shapes
        )
        values = tf.transpose(found.stack(), [1, 0, 2, 3])
        return tf.reshape(values, [tf.shape(windows)[0], blocks * self.horizon, self.channels])[:, :steps]

    @functools.cached_property
    def _rolled(self) -> Any:
        specs = [
            tf.TensorSpec((None, self.lags, self.channels + self.covariates)),
            tf.TensorSpec((None, self.horizon, self.channels, self.numbers)),
            tf.TensorSpec((None, None, self.covariates)),
            tf.TensorSpec((None,), tf.int64),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((), tf.int32),
        ]
        return tf.function(self.rolled, specs, autograph=False)

    def paths(
        self, windows: np.ndarray, outputs: np.ndarray, future: np.ndarray, steps: int, num_paths: int, seeds: np.ndarray,
        rows_at_once: int,
    ) -> np.ndarray:  # fmt: skip
        """Several paths for each window: (batch, num_paths, steps, channels) float32; arguments as in `rolled`."""
        count, outputs = len(windows) * num_paths, np.asarray(outputs, np.float32)
        found = np.empty((count, steps, self.channels), np.float32)
        for begin in range(0, count, rows_at_once):
            end = min(begin + rows_at_once, count)
            row, number = np.divmod(np.arange(begin, end), num_paths)
            found[begin:end] = self._rolled(
                windows[row], outputs[row], future[row], seeds[row], number.astype(np.int32), np.int32(steps)
            )
        return found.reshape(len(windows), num_paths, steps, self.channels)

    def check_num_paths(self, num_paths: int) -> None:
        fewest = fewest_paths(self.kind, self.levels)
        if num_paths < fewest:
            raise ValueError(
                f"num_paths: expected at least {fewest}, so that the outermost quantiles, or a deviation, lie among the "
                f"paths; received {num_paths}. Draw more, or call predict_paths."
            )

    @property
    def inputs(self) -> list[Any]:
        """What `forecast` takes, as `tf.TensorSpec`."""
        per_row = [
            tf.TensorSpec((None,), dtype, name)
            for name, dtype in (("steps", tf.int32), ("num_paths", tf.int32), ("seed", tf.int64))
        ]
        past = tf.TensorSpec((None, self.lags, self.channels + self.covariates), tf.float32, "past")
        return [past, *self._covariates, *per_row]

    @property
    def _covariates(self) -> list[Any]:
        return [tf.TensorSpec((None, None, self.covariates), tf.float32, "covariates")] if self.covariates else []

    def forecast(self, past: Any, *rest: Any) -> dict[str, Any]:
        """The forecasts of a batch whose rows ask for different ones, as a graph.

        A row has the same numbers whatever the others ask for. As the others may ask for more, it has NaN beyond its own
        steps and paths: a server joins requests, which it could not, if all rows had to agree.

        Args:
            past: (batch, time, channels + covariates) float32.
            *rest: `covariates` (batch, time, covariates) float32 of the steps that are fed back, where the model has any;
                (batch,) each: `steps` int32, `num_paths` int32, `seed` int64.

        Returns:
            `paths` (batch, num_paths, steps, channels) and `quantiles` (batch, steps, channels, levels), float32, of as many
            paths and steps as any row asks for. The quantiles are the model's own up to its horizon, and those of the
            row's paths beyond.
        """
        *covariates, steps, num_paths, seed = self._checked(past, *rest)
        most_steps, most_paths = (tf.reduce_max(tf.concat([asked, [1]], axis=0)) for asked in (steps, num_paths))
        rows = tf.shape(past)[0]
        if covariates:
            needed = (-(-most_steps // self.horizon) - 1) * self.horizon
            words = f"covariates: expected those of the steps that are fed back, whole horizons of {self.horizon}; received"
            check = tf.debugging.Assert(tf.shape(covariates[0])[1] >= needed, [words, tf.shape(covariates[0])])
            with tf.control_dependencies([check]):
                future = tf.identity(covariates[0])
        else:
            future = tf.zeros(tf.stack([rows, (most_steps // self.horizon + 1) * self.horizon, 0]))
        outputs = self.ahead(past)
        numbers = tf.tile(tf.range(most_paths), [rows])
        each = (tf.repeat(value, most_paths, axis=0) for value in (past, outputs, future, seed))
        values = self.rolled(*each, numbers, most_steps)
        paths = tf.reshape(values, tf.stack([rows, most_paths, most_steps, self.channels]))
        beyond = self._of_paths(paths, num_paths)[:, self.horizon :]
        quantiles = tf.concat([self.quantiles(outputs), beyond], axis=1)[:, :most_steps]
        asked = tf.range(most_steps) < steps[:, None]
        own = (tf.range(most_paths) < num_paths[:, None])[:, :, None] & asked[:, None]
        return {
            "paths": tf.where(own[..., None], paths, np.nan),
            "quantiles": tf.where(asked[..., None, None], quantiles, np.nan),
        }

    def _checked(self, past: Any, *rest: Any) -> list[Any]:
        named = dict(zip((spec.name for spec in self.inputs[1:]), rest, strict=True))
        rows, checks = tf.shape(past)[0], []
        for name, value in named.items():
            words = f"{name}: expected one row for each row of past; received"
            checks.append(tf.debugging.Assert(tf.equal(tf.shape(value)[0], rows), [words, tf.shape(value)[0], rows]))
        for name in ("steps", "num_paths"):
            words = f"{name}: expected an integer of at least 1; received"
            checks.append(tf.debugging.Assert(tf.reduce_all(named[name] >= 1), [words, named[name]]))
        words = "past: expected at least one time step; received the shape"
        checks.append(tf.debugging.Assert(tf.shape(past)[1] >= 1, [words, tf.shape(past)]))
        with tf.control_dependencies(checks):
            return [tf.identity(value) for value in named.values()]

    def _of_paths(self, paths: Any, num_paths: Any) -> Any:
        """The quantiles of each row's first paths, as `summary_of` has them: (batch, steps, channels, levels)."""
        own = tf.range(tf.shape(paths)[1]) < num_paths[:, None]
        ascending = tf.sort(tf.where(own[:, :, None, None], paths, np.inf), axis=1)
        last = tf.cast(num_paths, tf.float32)[:, None] - 1
        position = tf.clip_by_value(tf.constant(self.levels) * (last + 2) - 1, 0.0, last)
        below = tf.floor(position)
        low, high = (
            tf.gather(ascending, tf.cast(index, tf.int32), axis=1, batch_dims=1)
            for index in (below, tf.minimum(below + 1, last))
        )
        share = (position - below)[:, :, None, None]
        return tf.transpose(low + share * (high - low), [0, 2, 3, 1])
