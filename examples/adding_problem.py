"""How far back networks can remember: the adding problem, for five of them in one table.

A sequence has two numbers a step: one drawn from [0, 1], and a mark, 1 at one step of each half and 0 at all others. What
is asked for, once the sequence is over, is the sum of the two marked numbers (Hochreiter and Schmidhuber, 1997). Whoever
always answers 1 has a mean squared error of 1/6. With 600 steps an LSTM as it usually begins gets no further in 30,000
steps of training, a GRU reaches 5e-5 (Bai et al., 2018). Here the gated networks begin with biases that make them
remember for about as long as the sequence is (Tallec and Ollivier, 2018), and the IndRNN with recurrent weights near 1, as
its paper has it (Li et al., 2018).

Run it with `.venv/bin/python examples/adding_problem.py`: 30 minutes at most on two cores. What a network has learnt is
kept in the folder `--out` after every hundred steps, and a run that was stopped goes on from there.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

from kerasrnn.cli._tensorflow import load_tensorflow

load_tensorflow()  # without its chatter

import keras
import tensorflow as tf
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from kerasrnn import cells
from kerasrnn._files import read_json, write_json
from kerasrnn.data.prefetched import prefetched
from kerasrnn.layers import RNN
from kerasrnn.training import Backup, TimeLimit

STEPS_PER_EPOCH = 100
TRAIN, VALIDATION, TEST = 0, 1, 2  # three streams of random numbers
RATES = {"Elman": 3e-4, "LSTM": 2e-3, "GRU": 2e-3, "IndRNN": 1e-3, "minGRU": 1e-2}


def sequences(part: int, seed: int, length: int, batch_size: int, first: int, last: int) -> tf.data.Dataset:
    """Batches number `first` to `last` − 1 of (batch, length, 2) and (batch, 1): the same whenever they are asked for."""

    def batch(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        numbers_key, marks_key = tf.unstack(tf.random.split(tf.stack([seed * 3 + part, tf.cast(number, tf.int32)])))
        numbers = tf.random.stateless_uniform((batch_size, length), numbers_key)
        places = tf.random.stateless_uniform((batch_size, 2), marks_key)
        half = length // 2
        starts, sizes = tf.constant([0.0, half]), tf.constant([half, length - half], tf.float32)
        marks = tf.reduce_sum(tf.one_hot(tf.cast(starts + places * sizes, tf.int32), length), axis=1)
        return tf.stack([numbers, marks], axis=-1), tf.reduce_sum(numbers * marks, axis=1, keepdims=True)

    return prefetched(tf.data.Dataset.range(first, last).map(batch))


class Remembering(keras.initializers.Initializer):
    """Biases with which gates keep a state for 1 to `length` steps: ln u, u uniform in [1, length − 1].

    Args:
        signs: for each gate of the cell the factor of ln u, 0 where the bias is to be zero.
    """

    def __init__(self, signs: tuple[int, ...], length: int) -> None:
        self.signs, self.length = signs, length

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        units = shape[-1] // len(self.signs)
        biases = tf.math.log(keras.random.uniform((units,), 1.0, max(self.length - 1, 2)))
        bias = tf.concat([sign * biases for sign in self.signs], axis=0)
        return tf.cast(tf.broadcast_to(bias, shape), dtype or "float32")


def cells_of(network: str, units: int, length: int) -> list[cells.Cell]:
    """One layer's cell, but two of the IndRNN, whose units know of each other only from layer to layer."""
    if network == "Elman":
        return [cells.SimpleRNNCell(units)]
    if network == "LSTM":  # gates i, f, c, o
        return [cells.LSTMCell(units, bias_initializer=Remembering((-1, 1, 0, 0), length), unit_forget_bias=False)]
    if network == "GRU":  # z, r, h: z keeps
        return [cells.GRUCell(units, bias_initializer=Remembering((1, 0, 0), length), reset_after=False)]
    if network == "minGRU":  # z, h: 1 − z keeps
        return [cells.MinGRUCell(units, bias_initializer=Remembering((-1, 0), length))]
    low, high = 0.5 ** (1 / length), 2.0 ** (1 / length)  # at most a factor of two over the whole sequence
    initializers = [keras.initializers.RandomUniform(low, high) for low in (0.0, low)]
    kernels = ["glorot_uniform", keras.initializers.RandomNormal(stddev=0.001)]  # as it adds up hundreds of steps
    return [
        cells.IndRNNCell(
            units, recurrent_initializer=initial, recurrent_constraint=Between(-high, high), kernel_initializer=kernel
        )
        for initial, kernel in zip(initializers, kernels)
    ]


class Between(keras.constraints.Constraint):
    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __call__(self, weights: Any) -> Any:
        return keras.ops.clip(weights, self.low, self.high)


def build_model(network: str, units: int, length: int, steps: int, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    rate = keras.optimizers.schedules.CosineDecay(RATES[network], steps, alpha=0.01)
    *below, last = cells_of(network, units, length)
    layers = [*(RNN(cell, return_sequences=True) for cell in below), RNN(last)]
    model = keras.Sequential([keras.Input((length, 2)), *layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), "mse", jit_compile=True)
    return model


class Watch(keras.callbacks.Callback):
    """Shows progress, counts seconds over all runs, and stops at the target."""

    def __init__(self, advance: Any, target: float, seconds_file: Path) -> None:
        super().__init__()
        self.advance, self.target, self.file = advance, target, seconds_file
        self.seconds = read_json(seconds_file) if seconds_file.exists() else 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seconds += time.monotonic() - self.began
        write_json(self.file, self.seconds)
        self.advance((epoch + 1) * STEPS_PER_EPOCH, logs["val_loss"])
        if logs["val_loss"] <= self.target or not math.isfinite(logs["val_loss"]):
            self.model.stop_training = True


def run(network: str, arguments: argparse.Namespace, advance: Any) -> dict[str, Any]:
    """Trains one network, or goes on, and measures it on sequences of its own."""
    folder, length, seed = arguments.out / network, arguments.length, arguments.seed
    model = build_model(network, arguments.units, length, arguments.steps, seed)
    backup = Backup(folder / "backup")
    done = backup.restore(model)
    train = sequences(TRAIN, seed, length, arguments.batch_size, done * STEPS_PER_EPOCH, arguments.steps)
    validation, test = (sequences(part, seed, length, 250, 0, count) for part, count in ((VALIDATION, 4), (TEST, 20)))
    watch = Watch(advance, arguments.target, folder / "seconds.json")
    left = arguments.minutes - watch.seconds / 60
    if left > 0 and done * STEPS_PER_EPOCH < arguments.steps:
        model.fit(
            train, initial_epoch=done, epochs=arguments.steps // STEPS_PER_EPOCH, steps_per_epoch=STEPS_PER_EPOCH,
            validation_data=validation.cache(), shuffle=False, verbose=0,
            callbacks=[watch, TimeLimit(left), backup],
        )  # fmt: skip
    result = {
        "network": network,
        "parameters": model.count_params(),
        "steps": int(model.optimizer.iterations),
        "mse": float(model.evaluate(test, verbose=0)),
        "seconds": watch.seconds,
    }
    write_json(folder / "result.json", result)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=600, help="steps of a sequence (%(default)s)")
    parser.add_argument("--steps", type=int, default=4000, help="batches to train on at most (%(default)s)")
    parser.add_argument("--minutes", type=float, default=6, help="to train each network at most (%(default)s)")
    parser.add_argument("--networks", nargs="+", choices=list(RATES), default=list(RATES), help="default: all")
    parser.add_argument("--units", type=int, default=128, help="of the one layer (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=50, help="sequences in a batch (%(default)s)")
    parser.add_argument("--target", type=float, default=5e-5, help="validation error at which to stop (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="for sequences and weights (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/adding_problem"), help="folder of the runs (%(default)s)")
    arguments = parser.parse_args()
    if arguments.length < 2 or arguments.steps < STEPS_PER_EPOCH or arguments.steps % STEPS_PER_EPOCH:
        parser.error(f"--length must be at least 2, and --steps a multiple of {STEPS_PER_EPOCH}")
    check_settings(parser, arguments)

    console = Console(highlight=False)
    columns = ("network", "parameters", "steps", "mean squared error", "seconds")
    table = Table(*columns, title=f"Adding problem, T = {arguments.length}")
    stderr = Console(stderr=True)
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        for network in arguments.networks:
            result_file = arguments.out / network / "result.json"
            bar = progress.add_task(network, total=arguments.steps)

            def advance(steps: int, error: float, bar: Any = bar, network: str = network) -> None:
                progress.update(bar, completed=steps, description=f"{network}: {error:.1e}")

            result = read_json(result_file) if result_file.exists() else run(network, arguments, advance)
            progress.remove_task(bar)
            counts = (f"{result['parameters']:,}", f"{result['steps']:,}")
            table.add_row(network, *counts, f"{result['mse']:.1e}", f"{result['seconds']:.0f}")
    console.print(table)
    console.print(f"Always answering 1: {1 / 6:.3f}")


def check_settings(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """A folder holds runs of one setting."""
    names = ("length", "steps", "minutes", "units", "batch_size", "target", "seed")
    settings = {name: getattr(arguments, name) for name in names}
    file = arguments.out / "settings.json"
    if not file.exists():
        write_json(file, settings, indent=1)
    elif (found := read_json(file)) != settings:
        other = [f"--{name.replace('_', '-')} {found.get(name)}" for name in names if found.get(name) != settings[name]]
        parser.error(f"{arguments.out} holds runs with {', '.join(other)}. Give the same, or another --out.")


if __name__ == "__main__":
    main()
