"""A noisy sine, forecast one step ahead and many: Dive into Deep Learning, section "Working with Sequences".

    x_t = sin(0.01 t) + 0.2 ε_t,    ε_t normal, t = 1 … 1,000

Models are trained on the book's 600 examples, that is on targets up to t = 604, and judged on all targets after. A linear
model, an MLP and a GRU read τ = 4 past values, as in the book, and another GRU reads 32. They are trained to forecast one
step, longer than in the book (`EPOCHS` epochs of Adam, where it has five of gradient descent); k steps ahead they read
their own forecasts. Two more GRUs are trained to forecast several steps at once, and read none of their own up to there:
64 from 32 values, for what is far ahead, and 16 from 64 values, for what is next. As no window of 32 of the first 604 values
sees the sine rise through zero, all are trained on the series and on its mirror image, −x, as well: a linear model needs no
such help. Beside them are the last value and linear least squares.

No model can know the noise: an error of 0.2 is the floor, and as 396 values of noise are not exactly of that size, the
table has their own, too. Nor do noisy values tell exactly where in its cycle a window lies: "ideal" knows the sine, its
frequency and its noise, and only not that.

Mirror image, horizon and how long to train were chosen for GRUs that read 32 values, with other seeds (101 to 110), by
training on the first 484 values and validating on the next 120; so were the 64 values and 16 steps (seeds 101 to 105, out of
32, 64 or 128 values and 1, 16 or 64 steps). The seeds change noise, weights and the order of windows.

Run it with `.venv/bin/python examples/sine.py --out runs/sine`: ten minutes on one core.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kerasrnn.cli._tensorflow import load_tensorflow

load_tensorflow()  # without its chatter

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from kerasrnn._files import write_whole
from kerasrnn.cells import GRUCell
from kerasrnn.data import forecast_dataset
from kerasrnn.models import Forecaster, last_value, linear_autoregression

tf.get_logger().setLevel("ERROR")  # each seed has new models, and so traces anew
NUM_STEPS, NOISE, SPLIT = 1_000, 0.2, 604  # 600 examples of four values and the one after them
AHEAD = (1, 4, 16, 64)
EPOCHS, BATCH_SIZE = 30, 16


class Model(NamedTuple):
    name: str
    lags: int
    fit: Callable[[np.ndarray, int, int], Any]  # of the series, the seed and the number of epochs


def noisy_sine(seed: int) -> np.ndarray:
    return sine() + NOISE * np.random.default_rng(seed).normal(size=NUM_STEPS)


def sine() -> np.ndarray:
    return np.sin(0.01 * np.arange(1, NUM_STEPS + 1))


def trained(
    lags: int, horizon: int = 1, rate: float = 2e-3, **structure: Any
) -> Callable[[np.ndarray, int, int], Forecaster]:  # fmt: skip
    def fit(series: np.ndarray, seed: int, epochs: int) -> Forecaster:
        keras.utils.set_random_seed(seed)
        options = {"batch_size": BATCH_SIZE, "shuffle": True, "seed": seed, "span": (0, SPLIT)}
        windows = forecast_dataset([series, -series], lags, horizon, **options)
        parts = {name: make() for name, make in structure.items()}
        model = Forecaster(lags=lags, horizon=horizon, normalization=None, **parts)
        schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * len(windows))
        model.compile(keras.optimizers.Adam(schedule))
        model.fit(windows, epochs=epochs, shuffle=False, verbose=0)  # the windows are shuffled already
        return model

    return fit


class Ideal:
    """Knows all but where in its cycle a window lies: the least error that `lags` values allow for.

    Every phase is as likely before; after the window as likely as its noise would be. The forecast is the mean over phases.
    """

    def k_step_predictions(self, series: np.ndarray, ks: Sequence[int], lags: int) -> list[np.ndarray]:
        steps, phases = np.arange(lags + max(ks)), np.arange(0, 2 * np.pi, 0.005)
        sines = np.sin(phases[:, None] + 0.01 * steps)
        windows = np.lib.stride_tricks.sliding_window_view(series, lags)
        squares = ((windows[:, None] - sines[:, :lags]) ** 2).sum(axis=2) / (2 * NOISE**2)
        likely = np.exp(squares.min(axis=1, keepdims=True) - squares)
        forecasts = likely @ sines / likely.sum(axis=1, keepdims=True)
        return [forecasts[: len(windows) - k, lags + k - 1, None] for k in ks]


def least_squares(lags: int) -> Callable[[np.ndarray, int, int], Any]:
    return lambda series, seed, epochs: linear_autoregression(series[:SPLIT], lags)


MODELS = [
    Model("last value", 1, lambda series, seed, epochs: last_value()),
    Model("least squares", 4, least_squares(4)),
    Model("least squares", 32, least_squares(32)),
    Model("linear", 4, trained(4, rate=1e-2)),
    Model("MLP", 4, trained(4, hidden=lambda: [32])),
    Model("GRU", 4, trained(4, cells=lambda: [GRUCell(32)])),
    Model("GRU", 32, trained(32, cells=lambda: [GRUCell(32)])),
    Model("GRU 64 at once", 32, trained(32, horizon=64, cells=lambda: [GRUCell(32)])),
    Model("GRU 16 at once", 64, trained(64, horizon=16, cells=lambda: [GRUCell(32)])),
    Model("ideal", 32, lambda series, seed, epochs: Ideal()),
]
DRAWN = MODELS[2:8]


def k_step(model: Any, lags: int, series: np.ndarray) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """For each k: the times of targets, counted from 0, and what was forecast for them k steps before."""
    forecasts = model.k_step_predictions(series, AHEAD, lags=lags)
    return {k: (np.arange(lags + k - 1, len(series)), each[:, 0]) for k, each in zip(AHEAD, forecasts)}


def errors(predictions: dict[int, tuple[np.ndarray, np.ndarray]], series: np.ndarray) -> list[float]:
    """The root-mean-square error at each k, over all targets held out."""
    found = []
    for times, forecasts in predictions.values():
        held_out = times >= SPLIT
        found.append(float(np.sqrt(np.mean((forecasts[held_out] - series[times[held_out]]) ** 2))))
    return found


def table_of(results: dict[Model, list[list[float]]], noises: list[float], seconds: dict[Model, list[float]]) -> Table:
    seeds = f"median of {len(noises)} seeds" if len(noises) > 1 else "one seed"
    title = f"Root-mean-square errors after t = {SPLIT}, in units of the sine's amplitude: {seeds}"
    table = Table("model", title=title, box=None)
    for column in ("τ", *(f"k = {k}" for k in AHEAD), "k = 1 / noise", "seconds"):
        table.add_column(column, justify="right")
    for model, found in results.items():
        figures = [f"{value:.4f}" for value in np.median(found, axis=0)]
        share = np.median([each[0] / noise for each, noise in zip(found, noises)])
        table.add_row(model.name, str(model.lags), *figures, f"{share:.3f}", f"{np.median(seconds[model]):.1f}")
    table.add_row("noise alone", "", *[f"{np.median(noises):.4f}"] * len(AHEAD), "1.000")
    return table


def draw_multi_step(fitted: dict[Model, Any], series: np.ndarray) -> Figure:
    """One step ahead throughout, and from the end of training on all forecasts fed back."""
    figure, times = Figure(figsize=(11, 5.4), layout="constrained"), np.arange(1, NUM_STEPS + 1)
    for axes, (model, fit) in zip(figure.subplots(2, 3, sharex=True, sharey=True).flat, fitted.items()):
        axes.plot(times, series, ".", color="lightgray", markersize=2.5, label="data")
        axes.plot(times, sine(), color="black", linewidth=0.8, label="without noise")
        one_step = fit.k_step_predictions(series, 1, lags=model.lags)[:, 0]
        axes.plot(times[model.lags :], one_step, color="tab:blue", linewidth=0.9, label="one step ahead")
        multi_step = fit.forecast(series[:SPLIT], NUM_STEPS - SPLIT, lags=model.lags)[:, 0]
        axes.plot(times[SPLIT:], multi_step, color="tab:red", linewidth=1.8, label=f"all from t = {SPLIT}, fed back")
        axes.axvline(SPLIT, color="black", linewidth=0.8, linestyle=":")
        axes.set_title(f"{model.name}, τ = {model.lags}", fontsize="medium")
    return _finished(figure)


def draw_k_step(fitted: dict[Model, Any], series: np.ndarray) -> Figure:
    figure = Figure(figsize=(11, 5.4), layout="constrained")
    for axes, (model, fit) in zip(figure.subplots(2, 3, sharex=True, sharey=True).flat, fitted.items()):
        axes.plot(np.arange(1, NUM_STEPS + 1), sine(), color="black", linewidth=0.8, label="without noise")
        for k, (times, forecasts) in k_step(fit, model.lags, series).items():
            axes.plot(times + 1, forecasts, linewidth=0.9, label=f"{k} step{'s' * (k > 1)} ahead")
        axes.axvline(SPLIT, color="black", linewidth=0.8, linestyle=":")
        axes.set_title(f"{model.name}, τ = {model.lags}", fontsize="medium")
    return _finished(figure)


def _finished(figure: Figure) -> Figure:
    for axes in figure.axes:
        axes.set_xlim(1, NUM_STEPS)
        axes.set_ylim(-1.8, 1.8)
        axes.grid(alpha=0.3)
    figure.supxlabel(f"time t (steps); trained up to the dotted line, t = {SPLIT}", fontsize="medium")
    figure.supylabel("x, in the sine's unit", fontsize="medium")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    for handle in legend.legend_handles:
        handle.set(linewidth=2, markersize=6)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="how many (%(default)s)")
    parser.add_argument("--first-seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="how often to read the examples (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one seed, two epochs")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="draw the first seed: sine.png, sine_k_steps.png")
    arguments = parser.parse_args()
    if arguments.seeds < 1 or arguments.epochs < 1 or arguments.first_seed < 0:
        parser.error("--seeds and --epochs must be at least 1, and --first-seed at least 0")
    count, epochs = (1, 2) if arguments.quick else (arguments.seeds, arguments.epochs)

    seeds = range(arguments.first_seed, arguments.first_seed + count)
    results: dict[Model, list[list[float]]] = {model: [] for model in MODELS}
    seconds: dict[Model, list[float]] = {model: [] for model in MODELS}
    noises, drawn, stderr = [], {}, Console(stderr=True)
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        task = progress.add_task("", total=count * len(MODELS))
        for seed in seeds:
            series = noisy_sine(seed)
            noises.append(float(np.sqrt(np.mean((series - sine())[SPLIT:] ** 2))))
            for model in MODELS:
                progress.update(task, description=f"seed {seed}: {model.name}, τ = {model.lags}")
                begin = time.monotonic()
                fitted = model.fit(series, seed, epochs)
                seconds[model].append(time.monotonic() - begin)
                results[model].append(errors(k_step(fitted, model.lags, series), series))
                if seed == seeds[0] and model in DRAWN:
                    drawn[model] = fitted
                progress.advance(task)
    console = Console(highlight=False)
    console.print(table_of(results, noises, seconds))
    if arguments.out:
        for name, draw in (("sine", draw_multi_step), ("sine_k_steps", draw_k_step)):
            path, figure = arguments.out / f"{name}.png", draw(drawn, noisy_sine(seeds[0]))
            write_whole(path, lambda beside, figure=figure: figure.savefig(beside, dpi=90))
            console.print(f"Plot: {path}", soft_wrap=True)


if __name__ == "__main__":
    main()
