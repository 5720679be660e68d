"""Further than the horizon: forecasts that are fed back as if they had been seen."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrnn.models._arguments import positive_integer


class MultiStep:
    """Multi-step forecasts of a model of windows, which has `channels`, `covariates`, `horizon`, and `lags` (or None).

    A subclass forecasts one horizon from each of many windows in `_horizon_ahead`; what of these is fed back is
    `point_forecast`.
    """

    channels: int
    covariates: int
    horizon: int
    lags: int | None

    def _horizon_ahead(self, windows: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def point_forecast(self, outputs: Any) -> Any:
        """The single values among outputs, (…, channels): the mean or the median."""
        return outputs

    def predict_multi_step(
        self, windows: Any, steps: int, covariates: Any = None, feedback: bool = True, batch_size: int = 1024
    ) -> np.ndarray:  # fmt: skip
        """Forecasts any number of steps, by feeding forecasts back.

            x̂_(t+1) … x̂_(t+h) = f(x_(t−τ+1), …, x_t),    x̂_(t+h+1) … = f(x_(t−τ+h+1), …, x_t, x̂_(t+1), …, x̂_(t+h)),    …

        Errors are fed back as well, and add up. Of quantile and Gaussian outputs the median or mean is fed back, so that
        their spread at each step is that of the model's own horizon: it does not grow as errors add up.

        Args:
            windows: (batch, time, channels + covariates), the past.
            steps: how many steps to forecast.
            covariates: (batch, at least steps − horizon, covariates), those of the steps forecast; where the model has any,
                and feeds back.
            feedback: whether forecasts may be fed back; without, steps is at most the horizon.
            batch_size: windows computed at once; bounds the memory, and does not change the result.

        Returns:
            The model's outputs for each step, float32: (batch, steps, channels), with a last axis of quantiles, or of mean
            and deviation, where the model's outputs have one.

        Raises:
            ValueError: steps beyond the horizon without feedback, or without the covariates to go on with; shapes that do
                not fit the model.
        """
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
        future = self._future(windows, steps, covariates)
        parts = [
            self._rolled(windows[i : i + batch_size], future[i : i + batch_size], steps)
            for i in range(0, len(windows), positive_integer("batch_size", batch_size))
        ]
        return np.concatenate(parts) if parts else self._horizon_ahead(windows)[:, :steps]

    def _future(self, windows: np.ndarray, steps: int, covariates: Any) -> np.ndarray:
        if not self.covariates or steps <= self.horizon:
            return np.empty((len(windows), steps, 0), np.float32)
        needed = steps - self.horizon
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
        self, series: Any, steps: int, covariates: Any = None, feedback: bool = True, lags: int | None = None
    ) -> np.ndarray:  # fmt: skip
        """Forecasts how one series goes on.

        Args:
            series: (time,) or (time, channels + covariates), the past; its last `lags` values are read.
            steps: how many steps to forecast.
            covariates: (at least steps − horizon, covariates), those of the steps forecast; see `predict_multi_step`.
            feedback: whether forecasts may be fed back; without, steps is at most the horizon.
            lags: how many values to read; by default the model's own lags, or all.

        Returns:
            (steps, channels) float32, with a last axis where the model's outputs have one.

        Raises:
            ValueError: as `predict_multi_step`, or the series is shorter than the lags.
        """
        past = self._past(series)
        lags = self._lags(lags, len(past), 0)
        covariates = None if covariates is None else np.asarray(covariates)[None]
        return self.predict_multi_step(past[None, -lags:], steps, covariates, feedback)[0]

    def k_step_predictions(
        self, series: Any, k: int | Sequence[int], lags: int | None = None, batch_size: int = 1024
    ) -> Any:
        """Forecasts x_(t+k) for every t, from values up to t alone: the k-step-ahead predictions of Dive into Deep Learning.

        Args:
            series: (time,) or (time, channels + covariates). (Covariates of later times than t are read as known in advance,
                where k is beyond the horizon.)
            k: how many steps ahead, or a list of such, computed at once.
            lags: τ, how many values each forecast reads; by default the model's own lags.
            batch_size: windows computed at once.

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
        found: dict[int, list[np.ndarray]] = {one: [] for one in ks}
        for begin in range(0, count - min(ks), positive_integer("batch_size", batch_size)):
            rows = np.arange(begin, min(begin + batch_size, count - min(ks)))
            windows = past[rows[:, None] + np.arange(lags)]
            # Rows near the end have no values so far ahead; what is forecast there is left out below.
            later = np.minimum(rows[:, None] + lags + np.arange(furthest), len(past) - 1)
            outputs = self.predict_multi_step(windows, furthest, past[later][:, :, self.channels :])
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
