"""Further than the horizon: forecasts, or values drawn from them, that are fed back as if they had been seen."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kerasrnn._portable.arguments import positive_integer, row_seeds
from kerasrnn.models._series_arrays import finite
from kerasrnn.models.forecast_paths import NUM_PATHS, PathSampler


class MultiStep:
    """Multi-step forecasts of a model of windows, which has `channels`, `covariates`, `horizon`, and `lags` (or None).

    A subclass forecasts one horizon from each of many windows in `_horizon_ahead`; what of these is fed back is
    `point_forecast`, or what its `path_sampler` draws, where it has one.
    """

    channels: int
    covariates: int
    horizon: int
    lags: int | None
    path_sampler: PathSampler | None = None

    def _horizon_ahead(self, windows: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def point_forecast(self, outputs: Any) -> Any:
        """The single values among outputs, (…, channels): the mean or the median."""
        return outputs

    def predict_multi_step(
        self, windows: Any, steps: int, covariates: Any = None, feedback: bool = True, batch_size: int = 1024,
        num_paths: int = NUM_PATHS, seed: Any = 0,
    ) -> np.ndarray:  # fmt: skip
        """Forecasts any number of steps, by feeding forecasts back.

            x̂_(t+1) … x̂_(t+h) = f(x_(t−τ+1), …, x_t),    x̂_(t+h+1) … = f(x_(t−τ+h+1), …, x_t, x̂_(t+1), …, x̂_(t+h)),    …

        Errors are fed back as well, and add up. Two or more quantiles, and Gaussian outputs, say by how much: beyond the
        horizon many paths are drawn from them (see `predict_paths`), and the result is the paths' quantiles, or their mean
        and standard deviation. Up to the horizon it is the model's own output. Other outputs are points: they are fed back
        as they are, and nothing says how far off they may be.

        Args:
            windows: (batch, time, channels + covariates), the past.
            steps: how many steps to forecast.
            covariates: (batch, time, covariates), those of the steps that are fed back: all whole horizons before the last
                step; where the model has any, and feeds back.
            feedback: whether forecasts may be fed back; without, steps is at most the horizon.
            batch_size: windows, or paths, computed at once; bounds the memory, and does not change the result.
            num_paths: how many paths are drawn for each window.
            seed: of the paths, as in `predict_paths`.

        Returns:
            The model's outputs for each step, float32: (batch, steps, channels), with a last axis of quantiles, or of mean
            and deviation, where the model's outputs have one.

        Raises:
            ValueError: steps beyond the horizon without feedback, or without the covariates to go on with; NaN or infinity
                in what is read; shapes that do not fit the model; fewer paths than the outermost quantiles need.
        """
        finite("windows", windows)
        finite("covariates", covariates)
        return self._predict_multi_step(windows, steps, covariates, feedback, batch_size, num_paths, seed)

    def _predict_multi_step(
        self, windows: Any, steps: int, covariates: Any, feedback: bool, batch_size: int, num_paths: int, seed: Any
    ) -> np.ndarray:  # fmt: skip
        windows, steps, future = self._checked_windows(windows, steps, covariates, feedback)
        sampler = self.path_sampler if steps > self.horizon else None
        if sampler is None:
            parts = [
                self._rolled(windows[i : i + batch_size], future[i : i + batch_size], steps)
                for i in range(0, len(windows), positive_integer("batch_size", batch_size))
            ]
        else:
            sampler.check_num_paths(positive_integer("num_paths", num_paths))
            parts = [
                np.concatenate([outputs, sampler.summary(paths)[:, self.horizon :]], axis=1)
                for outputs, paths in self._paths(sampler, windows, future, steps, num_paths, seed, batch_size)
            ]
        return np.concatenate(parts) if parts else np.empty((0, steps, *self._horizon_ahead(windows).shape[2:]), np.float32)

    def predict_paths(
        self, windows: Any, steps: int, covariates: Any = None, num_paths: int = NUM_PATHS, seed: Any = 0,
        batch_size: int = 1024,
    ) -> np.ndarray:  # fmt: skip
        """Draws paths: ways in which each window may go on, each as likely as the model takes it to be.

            z = Φ⁻¹(u),    x_(t+1) … x_(t+h) = F⁻¹(Φ(z)),    x_(t+h+1) … likewise, from the window that ends with these,    …

        F is the model's distribution: the normal one of Gaussian outputs; of quantiles one whose values are linear in Φ⁻¹
        between the levels, and beyond them. There is one u for a path, a block of the horizon and a channel. So within a
        block a path errs in one direction; each step has the distribution that the model forecasts for it. And channels are
        drawn independently of each other.

        Args:
            windows: (batch, time, channels + covariates), the past.
            steps: how many steps to forecast.
            covariates: as in `predict_multi_step`.
            num_paths: how many paths are drawn for each window; more paths add to those of fewer.
            seed: an integer s: the windows' paths are drawn with the seeds s, s + 1, …; or one for each window; None for
                other paths each time. The same seed draws the same paths, in an exported model too.
            batch_size: paths computed at once; bounds the memory, and does not change the result.

        Returns:
            (batch, num_paths, steps, channels) float32.

        Raises:
            ValueError: the model's outputs are points; or as `predict_multi_step`.
        """
        finite("windows", windows)
        finite("covariates", covariates)
        windows, steps, future = self._checked_windows(windows, steps, covariates, True)
        if self.path_sampler is None:
            raise ValueError(
                "paths: expected a model that forecasts distributions; received one that forecasts points, of which there is "
                "one path. Train a Forecaster with output='gaussian', or 'quantile' and at least two quantiles."
            )
        num_paths = positive_integer("num_paths", num_paths)
        found = [paths for _, paths in self._paths(self.path_sampler, windows, future, steps, num_paths, seed, batch_size)]
        return np.concatenate(found) if found else np.empty((0, num_paths, steps, self.channels), np.float32)

    def _paths(
        self, sampler: PathSampler, windows: np.ndarray, future: np.ndarray, steps: int, num_paths: int, seed: Any,
        batch_size: int,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:  # fmt: skip
        """The outputs of some windows, and their paths, again and again."""
        seeds, at_once = row_seeds(seed, len(windows)), max(1, positive_integer("batch_size", batch_size) // num_paths)
        for begin in range(0, len(windows), at_once):
            some = slice(begin, begin + at_once)
            outputs = self._horizon_ahead(windows[some])
            yield outputs, sampler.paths(windows[some], outputs, future[some], steps, num_paths, seeds[some], batch_size)

    def _checked_windows(
        self, windows: Any, steps: int, covariates: Any, feedback: bool
    ) -> tuple[np.ndarray, int, np.ndarray]:  # fmt: skip
        windows, steps = np.asarray(windows, np.float32), positive_integer("steps", steps)
        features = self.channels + self.covariates
        if windows.ndim != 3 or windows.shape[2] != features:
            raise ValueError(
                f"windows: expected shape (batch, time, {features}), for {self.channels} channels and {self.covariates} "
                f"covariates; received {windows.shape}. Of one series give series[None], or call forecast."
            )
        if steps > self.horizon and not feedback:
            raise ValueError(
                f"steps: expected at most the horizon, {self.horizon}, with feedback=False; received {steps}. "
                "Feed forecasts back, or train a model of a longer horizon."
            )
        return windows, steps, self._future(windows, steps, covariates)

    def _future(self, windows: np.ndarray, steps: int, covariates: Any) -> np.ndarray:
        if not self.covariates or steps <= self.horizon:
            return np.empty((len(windows), steps, self.covariates), np.float32)
        needed = (-(-steps // self.horizon) - 1) * self.horizon
        given = None if covariates is None else np.asarray(covariates, np.float32)
        rows, columns = len(windows), self.covariates
        if given is None or given.ndim != 3 or given.shape[::2] != (rows, columns) or given.shape[1] < needed:
            received = "none" if given is None else f"the shape {given.shape}"
            raise ValueError(
                f"covariates: expected those of the steps forecast, ({rows}, at least {needed}, {columns}), as {steps} "
                f"steps of a horizon of {self.horizon} feed forecasts back; received {received}. Give covariates that are "
                "known in advance, or train a model of a longer horizon."
            )
        return given

    def _rolled(self, windows: np.ndarray, future: np.ndarray, steps: int) -> np.ndarray:
        found: list[np.ndarray] = []
        for begin in range(0, steps, self.horizon):
            outputs = self._horizon_ahead(windows)
            found.append(outputs)
            if begin + self.horizon < steps:
                points = np.asarray(self.point_forecast(outputs), np.float32)
                # Without covariates these are of no columns.
                fed = np.concatenate([points, future[:, begin : begin + self.horizon]], axis=2)
                windows = np.concatenate([windows, fed], axis=1)[:, -windows.shape[1] :]
        return np.concatenate(found, axis=1)[:, :steps]

    def forecast(
        self, series: Any, steps: int, covariates: Any = None, feedback: bool = True, lags: int | None = None,
        num_paths: int = NUM_PATHS, seed: Any = 0,
    ) -> np.ndarray:  # fmt: skip
        """Forecasts how one series goes on; beyond the horizon as `predict_multi_step` says.

        Args:
            series: (time,) or (time, channels + covariates), the past; its last `lags` values are read.
            steps: how many steps to forecast.
            covariates: (time, covariates), those of the steps that are fed back; see `predict_multi_step`.
            feedback: whether forecasts may be fed back; without, steps is at most the horizon.
            lags: how many values to read; by default the model's own lags, or all.
            num_paths: how many paths are drawn.
            seed: of the paths, an integer; None for other paths each time.

        Returns:
            (steps, channels) float32, with a last axis where the model's outputs have one.

        Raises:
            ValueError: as `predict_multi_step`, or the series is shorter than the lags.
        """
        window, covariates = self._one(series, covariates, lags)
        return self.predict_multi_step(window, steps, covariates, feedback, num_paths=num_paths, seed=seed)[0]

    def forecast_paths(
        self, series: Any, steps: int, covariates: Any = None, lags: int | None = None, num_paths: int = NUM_PATHS,
        seed: Any = 0,
    ) -> np.ndarray:  # fmt: skip
        """Draws ways in which one series may go on: of any figure of theirs, as a sum or a maximum, take the quantiles.

        Args:
            series, steps, covariates, lags, num_paths, seed: as in `forecast`.

        Returns:
            (num_paths, steps, channels) float32; see `predict_paths`.

        Raises:
            ValueError: as `predict_paths`, or the series is shorter than the lags.

        Example:

        >>> import kerasrnn
        >>> model = kerasrnn.models.Forecaster(lags=2, output="gaussian")
        >>> model.forecast_paths([1.0, 2.0, 3.0], steps=5, num_paths=100, seed=7).shape
        (100, 5, 1)
        """
        window, covariates = self._one(series, covariates, lags)
        return self.predict_paths(window, steps, covariates, num_paths, seed)[0]

    def _one(self, series: Any, covariates: Any, lags: int | None) -> tuple[np.ndarray, Any]:
        past = self._past(series)
        lags = self._lags(lags, len(past), 0)
        finite("series", past[-lags:])
        return past[None, -lags:], None if covariates is None else np.asarray(covariates)[None]

    def k_step_predictions(
        self, series: Any, k: int | Sequence[int], lags: int | None = None, batch_size: int = 1024,
        num_paths: int = NUM_PATHS, seed: Any = 0,
    ) -> Any:  # fmt: skip
        """Forecasts x_(t+k) for every t, from values up to t alone: the k-step-ahead predictions of Dive into Deep Learning.

        Args:
            series: (time,) or (time, channels + covariates). (Covariates of later times than t are read as known in advance,
                where k is beyond the horizon.)
            k: how many steps ahead, or a list of such, computed at once.
            lags: τ, how many values each forecast reads; by default the model's own lags.
            batch_size: windows, or paths, computed at once.
            num_paths: how many paths are drawn for each t, where k is beyond the horizon of outputs with a spread.
            seed: of the paths, as in `predict_paths`.

        Returns:
            (time − lags − k + 1, channels) float32, with a last axis where the model's outputs have one: row i forecasts
            series[i + lags + k − 1]. Of a list of k a list of such.

        Raises:
            ValueError: the series is shorter than lags + k, or the model has no lags of its own and none are given.
        """
        ks = [positive_integer("k", one) for one in ([k] if np.ndim(k) == 0 else list(k))]
        past = self._past(series)
        if lags is None and self.lags is None:
            raise ValueError(
                "lags: expected how many values each forecast reads, as this model reads windows of any length; received "
                "None. Give the lags of the windows it was trained on."
            )
        lags, furthest = self._lags(lags, len(past), max(ks)), max(ks)
        count = len(past) - lags + 1
        seeds = row_seeds(seed, count)
        found: dict[int, list[np.ndarray]] = {one: [] for one in ks}
        for begin in range(0, count - min(ks), positive_integer("batch_size", batch_size)):
            rows = np.arange(begin, min(begin + batch_size, count - min(ks)))
            windows = past[rows[:, None] + np.arange(lags)]
            # Rows near the end have no values so far ahead; what is forecast there is left out below.
            later = np.minimum(rows[:, None] + lags + np.arange(furthest), len(past) - 1)
            # Of a window with a gap the forecast is NaN; all others have theirs.
            known = past[later][:, :, self.channels :]
            outputs = self._predict_multi_step(windows, furthest, known, True, batch_size, num_paths, seeds[rows])
            for one in ks:
                found[one].append(outputs[: max(0, count - one - begin), one - 1])
        results = [np.concatenate(found[one]) for one in ks]
        return results[0] if np.ndim(k) == 0 else results

    def _past(self, series: Any) -> np.ndarray:
        past, features = np.asarray(series, np.float32), self.channels + self.covariates
        past = past[:, None] if past.ndim == 1 else past
        if past.ndim != 2 or past.shape[1] != features:
            raise ValueError(
                f"series: expected shape (time, {features}){' or (time,)' if features == 1 else ''}, for {self.channels} "
                f"channels and {self.covariates} covariates; received {np.shape(series)}. Of many windows call "
                "predict_multi_step."
            )
        return past

    def _lags(self, lags: int | None, length: int, ahead: int) -> int:
        lags = (self.lags or max(1, length)) if lags is None else positive_integer("lags", lags)
        if length < lags + ahead:
            further = f" + k = {lags + ahead}" if ahead else f" = {lags}"
            raise ValueError(
                f"series: expected at least lags{further} time steps; received {length}. Give a longer one, or fewer lags."
            )
        return lags
