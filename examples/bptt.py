"""Backpropagation through time, in full, truncated and randomised: what each costs, and how good its gradient is.

The task is a leaky sum, y_t = Σ_k 0.95^k x_(t−k), so that a loss depends on inputs of long ago. With the same weights and
the same batch, the gradient of a simple recurrent network is computed in five ways (Dive into Deep Learning,
"Backpropagation Through Time"):

- full: all the way back;
- checkpoints: the same, with every √time-th state kept and the others computed again;
- truncated: cut at every τ-th step (`truncate=τ`): biased, and always the same;
- windows: the same gradient, from windows of τ steps with carried states, so that only one is in memory at a time;
- randomized: cut at random, and what is not cut weighted up (`truncation="randomized"`): unbiased, and noisy.

Then the book's exercise: how far the gradient reaches with orthogonal, identity and Glorot recurrent kernels.

Time is the median of several gradients. Memory is measured in a process of its own for each way: how far its peak rises
over that after a gradient of 8 steps. Run it with `.venv/bin/python examples/bptt.py --out runs/bptt`.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from kerasrnn.cli._tensorflow import load_tensorflow

load_tensorflow()  # without its chatter

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import kerasrnn
from kerasrnn._files import write_whole

WAYS = ("full", "checkpoints", "truncated", "windows", "randomized")
INITIALIZATIONS = ("orthogonal", "identity, ReLU", "Glorot", "orthogonal × 0.7")


def leaky_sums(batch_size: int, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, both (batch, time, 1), of about unit variance."""
    x = np.random.default_rng(0).normal(size=(batch_size, num_steps, 1))
    y, total = [], np.zeros((batch_size, 1))
    for t in range(num_steps):
        total = 0.95 * total + x[:, t]
        y.append(total)
    return x.astype("float32"), (np.stack(y, axis=1) * (1 - 0.95**2) ** 0.5).astype("float32")


def gradient_function(way: str, units: int, tau: int, num_steps: int):
    """The gradient of the mean squared error by the recurrent layer's weights, as one vector, of (x, y)."""
    options = {
        "checkpoints": {"checkpoint_steps": round(num_steps**0.5)},
        "truncated": {"truncate": tau},
        "randomized": {"truncate": tau, "truncation": "randomized", "seed": 1},
    }.get(way, {})
    keras.utils.set_random_seed(0)
    small = keras.initializers.RandomNormal(stddev=0.1, seed=2)  # tanh then stays near its linear part, and passes more
    layer = kerasrnn.layers.SimpleRNN(
        units, kernel_initializer=small, recurrent_initializer=keras.initializers.Orthogonal(seed=3),
        return_sequences=True, return_state=True, **options,
    )  # fmt: skip
    output = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(seed=4))
    layer.build((None, None, 1))
    output.build((None, None, units))

    @tf.function(input_signature=[tf.TensorSpec((None, None, 1))] * 2 + [tf.TensorSpec((None, units))])
    def of_window(x, y, state):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            weights = [w.value for w in layer.trainable_weights]
            tape.watch(weights)
            outputs, state = layer(x, initial_state=[state], training=True)
            loss = tf.reduce_sum(tf.square(output(outputs) - y)) / tf.cast(tf.shape(x)[0] * num_steps, tf.float32)
        return tf.concat([tf.reshape(g, [-1]) for g in tape.gradient(loss, weights)], 0), state

    def gradient(x, y):
        width = tau if way == "windows" else x.shape[1]
        total, state = 0.0, tf.zeros((len(x), units))
        for start in range(0, x.shape[1], width):
            part, state = of_window(x[:, start : start + width], y[:, start : start + width], state)
            total += part
        return total.numpy()

    return gradient


def median_seconds(gradients: dict, batch: tuple, repeats: int) -> dict[str, float]:
    """Of each way; taken in turns, so that what else the machine does falls on all alike."""
    taken = {way: [] for way in gradients}
    for _ in range(repeats):
        for way, gradient in gradients.items():
            begin = time.perf_counter()
            gradient(*batch)
            taken[way].append(time.perf_counter() - begin)
    return {way: statistics.median(times) for way, times in taken.items()}


def peak_rise(way: str, arguments: argparse.Namespace) -> float:
    """MB by which a process's peak rises for one gradient."""
    numbers = [arguments.units, arguments.tau, arguments.memory_steps, arguments.batch_size]
    command = [sys.executable, str(Path(__file__).resolve()), "--peak", way, *map(str, numbers)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def print_peak(way: str, units: int, tau: int, num_steps: int, batch_size: int) -> None:
    gradient = gradient_function(way, units, tau, num_steps)
    batch = leaky_sums(batch_size, num_steps)
    gradient(batch[0][:, :8], batch[1][:, :8])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gradient(*batch)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def flow(initialization: str, units: int, num_steps: int) -> kerasrnn.diagnostics.LayerFlow:
    keras.utils.set_random_seed(0)
    recurrent = {
        "orthogonal": "orthogonal",
        "identity, ReLU": "identity",
        "Glorot": "glorot_uniform",
        "orthogonal × 0.7": keras.initializers.Orthogonal(0.7),
    }[initialization]
    rnn = kerasrnn.layers.SimpleRNN(
        units, activation="relu" if "ReLU" in initialization else "tanh", recurrent_initializer=recurrent,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.1), return_sequences=True,
    )  # fmt: skip
    model = keras.Sequential([keras.Input((None, 1)), rnn, keras.layers.Dense(1)])
    return kerasrnn.diagnostics.gradient_flow(model, *leaky_sums(8, num_steps), loss="mse")[0]


def draw(rows: dict[str, dict], running: list[tuple[int, float]], flows: dict[str, np.ndarray], tau: int) -> Figure:
    figure = Figure(figsize=(12, 4.8), layout="constrained")
    errors, costs, lags = figure.subplots(1, 3)
    counts, values = zip(*running)
    errors.loglog(counts, values, "o-", markersize=4, label="randomised, mean of the draws")
    guide = [values[0] * n**-0.5 for n in counts]
    errors.loglog(counts, guide, ":", color="gray", label="1/√draws: no bias")
    errors.axhline(rows["truncated"]["bias"], color="C1", label=f"truncated at τ = {tau}: constant")
    errors.set(xlabel="number of draws", ylabel="‖gradient − full‖ / ‖full‖", title="Error of the gradient")
    errors.set_ylim(bottom=min(values) / 12)  # room for the legend
    errors.yaxis.set_major_formatter("{x:g}")
    errors.yaxis.set_minor_formatter("")
    places = np.arange(len(WAYS))
    for offset, key in ((-0.2, "time"), (0.2, "memory")):
        ratios = [rows[way][key] / rows["full"][key] if rows[way][key] is not None else np.nan for way in WAYS]
        bars = costs.bar(places + offset, ratios, 0.4, label=key)
        costs.bar_label(bars, ["" if np.isnan(ratio) else f"{ratio:.1f}" for ratio in ratios], fontsize="medium")
    costs.axhline(1, color="black", linewidth=0.8, linestyle=":")
    costs.set_xticks(places, WAYS, rotation=30, ha="right", rotation_mode="anchor")
    costs.set(ylabel="relative to the full gradient", title="Cost of a gradient")
    for name, norms in flows.items():
        lags.semilogy(np.where(norms > 0, norms / norms[0], np.nan), label=name)
    lags.set(xlabel="lag k, steps back in time", ylabel="‖∂loss(t)/∂h(t − k)‖, that of lag 0 = 1")
    lags.set_title("Reach of the gradient")
    lags.set_ylim(bottom=1e-8)
    costs.margins(y=0.25)
    for axes, place in ((errors, "lower left"), (costs, "upper right"), (lags, "lower left")):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="medium", loc=place)
        axes.tick_params(labelsize="large")
        axes.xaxis.label.set_size("large")
        axes.yaxis.label.set_size("large")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=128, help="of the network (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="sequences (%(default)s)")
    parser.add_argument("--num-steps", type=int, default=64, help="their length (%(default)s)")
    parser.add_argument("--tau", type=int, default=8, help="where truncation cuts (%(default)s)")
    parser.add_argument("--draws", type=int, default=4096, help="of the randomised truncation (%(default)s)")
    parser.add_argument("--memory-steps", type=int, default=2048, help="length of sequences for memory (%(default)s)")
    parser.add_argument("--repeats", type=int, default=30, help="gradients to take the median time of (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="smaller, with fewer draws and without memory")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="draw costs, errors and reach: bptt.png")
    parser.add_argument("--peak", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        print_peak(arguments.peak[0], *map(int, arguments.peak[1:]))
        return
    if arguments.quick:
        arguments.units, arguments.batch_size, arguments.num_steps, arguments.tau = 16, 8, 32, 8
        arguments.draws, arguments.repeats = 256, 3

    console = Console(highlight=False)
    tau, batch = arguments.tau, leaky_sums(arguments.batch_size, arguments.num_steps)
    gradients = {way: gradient_function(way, arguments.units, tau, arguments.num_steps) for way in WAYS}
    full = gradients["full"](*batch)
    size = np.linalg.norm(full)
    rows: dict[str, dict] = {}
    for way in WAYS:
        count = arguments.draws if way == "randomized" else 1
        total, squares, running = np.zeros_like(full, "float64"), 0.0, []
        for n in range(1, count + 1):
            difference = gradients[way](*batch) - full
            total += difference
            squares += float(difference.astype("float64") @ difference)
            if n & (n - 1) == 0 or n == count:
                running.append((n, float(np.linalg.norm(total / n) / size)))
        bias = running[-1][1]
        deviation = max(squares / count / size**2 - bias**2, 0.0) ** 0.5 if count > 1 else 0.0
        rows[way] = {
            "memory": None if arguments.quick else peak_rise(way, arguments),
            "bias": bias,
            "deviation": deviation,
            "noise": deviation / count**0.5,
            "running": running,
        }
    for way, taken in median_seconds(gradients, batch, arguments.repeats).items():
        rows[way]["time"] = taken

    table = Table(title=f"{arguments.units} units, {arguments.batch_size} × {arguments.num_steps} steps, τ = {tau}")
    table.add_column("gradient")
    memory = f"MB, {arguments.memory_steps:,} steps"
    for title in ("ms", "time, ratio", memory, "memory, ratio", "bias", "deviation of a draw"):
        table.add_column(title, justify="right")
    for way, row in rows.items():
        table.add_row(
            way, f"{row['time'] * 1e3:.2f}", f"{row['time'] / rows['full']['time']:.2f}",
            "" if arguments.quick else f"{row['memory']:.1f}",
            "" if arguments.quick else f"{row['memory'] / rows['full']['memory']:.2f}",
            f"{row['bias']:.4f}", f"{row['deviation']:.4f}",
        )  # fmt: skip
    console.print(table)
    drawn = rows["randomized"]
    console.print(
        f"Bias and deviation are shares of the full gradient's norm. That of the mean of {arguments.draws:,} random draws, "
        f"{drawn['bias']:.4f}, is what their noise leaves: {drawn['noise']:.4f} is expected without any bias. "
        "Memory is by how much the process's peak rises above that of eight steps.",
        soft_wrap=True,
    )
    flows = {name: flow(name, arguments.units, arguments.num_steps) for name in INITIALIZATIONS}
    table = Table("recurrent kernel", title="gradient norm by lag, relative to lag 0")
    shown = [1, 4, 8, 16, arguments.num_steps - 1]
    for title in (*(f"k = {k}" for k in shown), "half-life, steps"):
        table.add_column(title, justify="right")
    for name, found in flows.items():
        norms = found.norms / found.norms[0]
        table.add_row(name, *(f"{norms[k]:.2g}" for k in shown), f"{found.half_life:.3g}")
    console.print(table)
    if arguments.out:
        norms = {name: found.norms for name, found in flows.items()}
        path, figure = arguments.out / "bptt.png", draw(rows, drawn["running"], norms, tau)
        write_whole(path, lambda beside: figure.savefig(beside, dpi=90))
        console.print(f"Plot: {path}", soft_wrap=True)


if __name__ == "__main__":
    main()
