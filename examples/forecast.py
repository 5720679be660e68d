"""Real series, forecast many steps at once: sunspots by the year, and a transformer station by the hour (ETTh1).

ETTh1 has six loads and the oil temperature of an electricity transformer (Zhou et al., 2021). The split is theirs: 12, 4
and 4 months of 30 days. All channels are standardised by mean and deviation of the training part, and the errors are of
these, over all channels and all windows of the test part (stride 1, none left out). GRU and linear model read 336 values,
of one channel at a time; the same weights serve all seven. The GRU takes away a window's last value, which is put back
after, and reads the rest in 14 patches, a day of 24 values a step (after Lin et al., 2023). The linear model reads the same
windows less their last value (as NLinear, Zeng et al., 2023), fitted by least squares, which is the best it can be.

Sunspots are yearly counts since 1700: 70% of the years to train on, 10% to validate, 20% to test. One year ahead,
and eleven, about a cycle. They are so few that the GRU, which reads 22 years, is trained with five seeds, and its median
error counts; the linear model reads nine, with which it is better in validation than with 22 or 33.

A GRU is trained by squared error until validation gets no better, for `--minutes` at most; the weights that were best on
the validation part count. The lags for sunspots and the dropout for ETTh1 were chosen on it, too, in a few trials. All models
forecast means: points, of which nothing says how far off they may be.

The data come from the folder that the environment variable KERASRNN_DATA names (`ett/ETTh1.csv`, `sunspots/sunspots.csv`),
or from `--data FILE`. Run it with `.venv/bin/python examples/forecast.py --out runs/forecast`.

References:
    Zhou, H. et al. (2021). Informer: Beyond efficient transformer for long sequence time-series forecasting. AAAI.
    Zeng, A. et al. (2023). Are transformers effective for time series forecasting? AAAI.
    Lin, S. et al. (2023). SegRNN: Segment recurrent neural network for long-term time series forecasting. arXiv:2308.11200.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from kerasrnn.cli._tensorflow import load_tensorflow

load_tensorflow()  # without its chatter

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from kerasrnn._files import write_whole
from kerasrnn.cells import GRUCell
from kerasrnn.data import forecast_dataset, temporal_split
from kerasrnn.models import Forecaster, forecast_errors, last_value, linear_autoregression, seasonal_naive
from kerasrnn.training import TimeLimit

Span = tuple[int, int]
tf.get_logger().setLevel("ERROR")  # each horizon has a new model, and so traces anew


class Setting(NamedTuple):
    """A series, and what suits it."""

    file: str
    columns: int  # after the first, which has the time
    spans: tuple[Span, Span, Span]
    horizons: tuple[int, ...]
    lags: int
    linear_lags: int
    period: int
    standardise: bool  # whether errors are of standardised values
    structure: dict[str, Any]  # of the Forecaster, its cells aside
    units: int
    batch_size: int
    epochs: int
    rate: float
    seeds: int
    drawn: str  # what the last channel is
    step: str

    @property
    def length(self) -> int:
        return self.spans[-1][1]


MONTH = 30 * 24
SETTINGS = {
    "sunspots": Setting(
        file="sunspots/sunspots.csv", columns=1, spans=temporal_split(309), horizons=(1, 11), lags=22, linear_lags=9,
        period=11, standardise=False, structure={"normalization": "standard", "dropout": 0.2}, units=32, batch_size=16,
        epochs=100, rate=3e-3, seeds=5, drawn="sunspot number (yearly mean)", step="years",
    ),
    "ETTh1": Setting(
        file="ett/ETTh1.csv", columns=7, spans=((0, 12 * MONTH), (12 * MONTH, 16 * MONTH), (16 * MONTH, 20 * MONTH)),
        horizons=(24, 96), lags=336, linear_lags=336, period=24, standardise=True,
        structure={"normalization": "last", "patch": 24, "dropout": 0.2}, units=64, batch_size=256, epochs=8, rate=1e-3,
        seeds=1, drawn="oil temperature (°C)", step="hours",
    ),
}  # fmt: skip


class Watch(keras.callbacks.Callback):
    """Shows how far training is."""

    def __init__(self, progress: Progress, task: Any, title: str) -> None:
        super().__init__()
        self.progress, self.task, self.title = progress, task, title

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.progress.advance(self.task)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        figures = f"epoch {epoch + 1}, validation {logs['val_loss']:.4f}"
        self.progress.update(self.task, description=f"{self.title}: {figures}")


def read(path: Path, setting: Setting) -> np.ndarray:
    """All columns but the first, (time, channels)."""
    series = np.genfromtxt(path, delimiter=",", skip_header=1)[:, 1:]
    if series.shape[1] != setting.columns or len(series) < setting.length:
        raise ValueError(
            f"{path}: expected a header, then at least {setting.length:,} rows of a time and {setting.columns} numbers; "
            f"received {len(series):,} rows of {series.shape[1]} numbers. Give the file of the series, {setting.file}."
        )
    return series[: setting.length]


def train(
    series: np.ndarray, setting: Setting, horizon: int, seed: int, minutes: float, progress: Progress
) -> Forecaster:  # fmt: skip
    """A GRU, trained until validation gets no better."""
    keras.utils.set_random_seed(seed)
    model = Forecaster(GRUCell(setting.units), horizon, lags=setting.lags, **setting.structure)
    if setting.structure["normalization"] == "standard":
        model.adapt(series[: setting.spans[0][1]])
    windows = windows_of(series, setting, horizon, 0, setting.batch_size, shuffle=True, seed=seed)
    steps = setting.epochs * len(windows)
    rate = keras.optimizers.schedules.CosineDecay(setting.rate, steps)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0))
    best = keras.callbacks.EarlyStopping("val_loss", patience=max(3, setting.epochs // 4), restore_best_weights=True)
    title = f"horizon {horizon}, seed {seed}"
    task = progress.add_task(title, total=steps)
    model.fit(
        windows, validation_data=windows_of(series, setting, horizon, 1).cache(), epochs=setting.epochs, shuffle=False,
        verbose=0, callbacks=[best, TimeLimit(minutes), Watch(progress, task, title)],
    )  # fmt: skip
    progress.remove_task(task)
    return model


def windows_of(
    series: np.ndarray, setting: Setting, horizon: int, part: int, batch_size: int = 1024, **options: Any
) -> tf.data.Dataset:  # fmt: skip
    span = setting.spans[part]
    options = {"batch_size": batch_size, "span": span, "channel_independent": True, **options}
    return forecast_dataset(series, setting.lags, horizon, **options)


def compare(
    series: np.ndarray, setting: Setting, horizon: int, arguments: argparse.Namespace, progress: Progress
) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:  # fmt: skip
    """The errors of all models on the test part, and the models."""
    begin = time.monotonic()
    channels = list(series[: setting.spans[0][1]].T)
    normalization = "last" if setting.structure["normalization"] == "last" else None
    models = {
        "last value": last_value(horizon),
        "seasonal naive": seasonal_naive(setting.period, horizon),
        "linear": linear_autoregression(channels, setting.linear_lags, horizon, normalization=normalization),
    }
    seconds = dict.fromkeys(models, 0.0) | {"linear": time.monotonic() - begin}
    begin, seeds = time.monotonic(), range(arguments.seed, arguments.seed + setting.seeds)
    grus = {
        f"GRU {seed}": train(series, setting, horizon, seed, arguments.minutes / setting.seeds, progress)
        for seed in seeds
    }
    seconds["GRU"] = time.monotonic() - begin
    found = forecast_errors({**models, **grus}, windows_of(series, setting, horizon, 2))
    errors = {name: found[name] for name in models}
    errors["GRU"] = {figure: float(np.median([found[name][figure] for name in grus])) for figure in ("mse", "rmse", "mae")}
    timed = {name: {**each, "seconds": seconds[name]} for name, each in errors.items()}
    return timed, {**models, "GRU": grus[f"GRU {arguments.seed}"]}


def table_of(name: str, setting: Setting, results: dict[int, dict[str, dict[str, float]]]) -> Table:
    squared = "mse" if setting.standardise else "rmse"
    title = f"{name}: errors on the test part, {'standardised' if setting.standardise else 'in sunspots'}"
    caption = f"GRU: median of {setting.seeds} seeds" if setting.seeds > 1 else None
    table = Table("horizon", "model", title=title, caption=caption, box=None)
    titles = ["mean squared" if setting.standardise else "root mean square", "mean absolute", "seconds"]
    for title in titles:
        table.add_column(title, justify="right")
    digits = 4 if setting.standardise else 2
    for horizon, models in results.items():
        for model, found in models.items():
            figures = [f"{found[figure]:.{digits}f}" for figure in (squared, "mae")]
            steps = f"{horizon} {setting.step if horizon > 1 else setting.step[:-1]}"
            table.add_row(steps, model, *figures, f"{found['seconds']:,.0f}")
        table.add_section()
    return table


def draw(setting: Setting, series: np.ndarray, models: dict[str, Any], horizon: int, scale: tuple[float, float]) -> Figure:
    """What the last channel was, and what was forecast for it from the middle of the test part."""
    first, end = setting.spans[2]
    origin = (first + end) // 2
    past = min(setting.lags, 7 * setting.period)
    mean, deviation = scale
    values = mean + deviation * series[:, -1]
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.add_subplot(xlabel=f"{setting.step} after the last one that was read", ylabel=setting.drawn)
    times = np.arange(1 - past, horizon + 1)
    axes.plot(times, values[origin - past : origin + horizon], color="black", linewidth=1.2, label="what was")
    window = series[None, origin - setting.lags : origin, -1:]
    for name, colour in (("seasonal naive", "tab:gray"), ("linear", "tab:orange"), ("GRU", "tab:blue")):
        forecast = mean + deviation * models[name].predict_multi_step(window, horizon)[0, :, 0]
        axes.plot(times[past - 1 :], [values[origin - 1], *forecast], color=colour, linewidth=1.6, label=name)
    axes.axvline(0, color="black", linewidth=0.8, linestyle=":")
    axes.set_xlim(times[0], times[-1])
    axes.xaxis.set_major_locator(MultipleLocator(setting.period))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure


def run(
    name: str, setting: Setting, series: np.ndarray, arguments: argparse.Namespace, console: Console, stderr: Console
) -> None:  # fmt: skip
    mean, deviation = 0.0, 1.0
    if setting.standardise:
        mean, deviation = (moment(series[: setting.spans[0][1]], axis=0) for moment in (np.mean, np.std))
        series = (series - mean) / deviation
    results = {}
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        for horizon in setting.horizons:
            results[horizon], models = compare(series, setting, horizon, arguments, progress)
    console.print(table_of(name, setting, results))
    if arguments.out:
        figure = draw(setting, series, models, horizon, (np.atleast_1d(mean)[-1], np.atleast_1d(deviation)[-1]))
        path = arguments.out / f"forecast_{name}.png"
        write_whole(path, lambda beside: figure.savefig(beside, dpi=100))
        console.print(f"Plot: {path}", soft_wrap=True)


def quick(setting: Setting) -> Setting:
    """Less of everything."""
    spans = ((0, 800), (800, 1_000), (1_000, 1_200)) if setting.standardise else setting.spans
    return setting._replace(spans=spans, horizons=setting.horizons[:1], units=8, epochs=2, seeds=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", nargs="+", choices=list(SETTINGS), default=list(SETTINGS), help="default: both")
    parser.add_argument("--data", type=Path, metavar="FILE", help="the file of the one series that --series names")
    parser.add_argument("--minutes", type=float, default=10, help="to train at most, each horizon (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the first one, for weights and windows (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one horizon of each, little data, a small network")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="draw a forecast of each series: forecast_*.png")
    arguments = parser.parse_args()
    if arguments.minutes <= 0:
        parser.error("--minutes must be positive")
    if arguments.data and len(set(arguments.series)) > 1:
        parser.error("--data FILE: expected one series to read from it. Name it: --series ETTh1")
    console, stderr = Console(highlight=False), Console(stderr=True)
    for name in dict.fromkeys(arguments.series):
        setting = quick(SETTINGS[name]) if arguments.quick else SETTINGS[name]
        path = arguments.data or Path(os.environ.get("KERASRNN_DATA", ""), setting.file)
        if not path.is_file():
            parser.error(
                f"{name}: expected the file {path}, which is not there. Set the environment variable KERASRNN_DATA to "
                "the folder that has it, or give --data FILE."
            )
        try:
            series = read(path, setting)
        except ValueError as error:
            parser.error(str(error))
        run(name, setting, series, arguments, console, stderr)


if __name__ == "__main__":
    main()
