"""How fast the recurrent layers train and run, beside keras.layers and torch.nn, all in one run.

    python benchmarks/layers.py                            # the README's table: LSTM, forward and backward
    python benchmarks/layers.py --cells lstm gru --sizes 32x64x512x512 --json layers.json

Every size is batch × time × features × units. The runs of all peers are interleaved, so that a drifting machine slows
all alike; a figure is the median of its runs, a ratio the peer's time over ours. "Share" is our rate of useful
arithmetic over that of a 2048³ matrix product timed beside it. PyTorch takes part where it is installed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SIZES = ["32x64x512x512", "20x35x650x650", "64x100x128x256", "1024x32x32x32", "1x512x256x256"]
GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}
PEERS = ["ours", "ours_xla", "keras", "keras_xla", "torch"]


def keras_run(peer: str, cell: str, shape: tuple[int, ...], backward: bool) -> Callable[[], Any]:
    import keras
    import numpy as np
    import tensorflow as tf

    import kerasrnn

    batch, steps, features, units = shape
    name = {"simple_rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}[cell]
    if peer.startswith("ours"):
        layer = kerasrnn.layers.RNN(getattr(kerasrnn.cells, f"{name}Cell")(units), return_sequences=True)
    else:
        layer = getattr(keras.layers, name)(units, return_sequences=True)
    x = tf.constant(np.random.default_rng(0).standard_normal((batch, steps, features)), tf.float32)
    layer(x)
    weights = [w.value for w in layer.trainable_weights]

    @tf.function(jit_compile=peer.endswith("xla"))
    def run() -> Any:
        if not backward:
            return tf.reduce_sum(layer(x, training=False))
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.square(layer(x, training=True)))
        return tape.gradient(loss, [x, *weights])

    return lambda: tf.nest.map_structure(lambda t: t.numpy(), run())


def torch_run(cell: str, shape: tuple[int, ...], backward: bool) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(os.cpu_count())
    batch, steps, features, units = shape
    layer = {"simple_rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](features, units, batch_first=True)
    x = torch.randn(batch, steps, features, requires_grad=True)

    def run() -> Any:
        if not backward:
            with torch.no_grad():
                return layer(x)[0].sum().item()
        x.grad = None
        layer.zero_grad()
        layer(x)[0].square().sum().backward()
        return x.grad.sum().item()

    return run


def product_run() -> Callable[[], Any]:
    import tensorflow as tf

    a = tf.random.normal((2048, 2048))
    product = tf.function(tf.matmul)
    return lambda: product(a, a).numpy()


def make_run(peer: str, cell: str, shape: tuple[int, ...], backward: bool) -> Callable[[], Any] | None:
    if peer == "torch":
        try:
            return torch_run(cell, shape, backward)
        except ImportError:
            return None
    return keras_run(peer, cell, shape, backward)


def measure(cell: str, size: str, backward: bool, repeats: int) -> dict[str, Any]:
    """Median seconds of each peer, interleaved, and the ratios to the faster of our two."""
    import numpy as np

    shape = tuple(map(int, size.split("x")))
    runs = {peer: run for peer in PEERS if (run := make_run(peer, cell, shape, backward))}
    runs["product"] = product_run()
    for run in runs.values():
        run()
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
            time.sleep(0.3)  # the threads of OpenMP spin on for 0.2 s, and would slow whoever comes next
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    batch, steps, features, units = shape
    flops = (3 if backward else 1) * 2 * batch * steps * (features + units) * GATES[cell] * units
    ours = min(medians["ours"], medians["ours_xla"])
    return {
        "cell": cell,
        "size": size,
        "backward": backward,
        "milliseconds": {name: 1e3 * value for name, value in medians.items()},
        "keras ÷ ours": min(medians["keras"], medians["keras_xla"]) / ours,
        "torch ÷ ours": medians["torch"] / ours if "torch" in medians else None,
        "share": flops / ours / (2 * 2048**3 / medians["product"]),
    }


def peak_memory(peer: str, cell: str, size: str) -> float:
    """Peak resident memory in MB of forward and backward in a process of its own, above its imports."""
    program = (
        f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r}); import layers\n"
        f"layers.product_run(); before = layers.resident()\n"
        f"run = layers.make_run({peer!r}, {cell!r}, {tuple(map(int, size.split('x')))}, True)\n"
        f"run(); run(); print(layers.resident() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=["lstm"], choices=list(GATES))
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="batch x time x features x units")
    parser.add_argument("--forward", action="store_true", help="the forward pass alone, as in inference")
    parser.add_argument("--memory", action="store_true", help="also the peak memory, each in a process of its own")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", help="a file to write all figures to")
    arguments = parser.parse_args()

    from rich.console import Console
    from rich.table import Table

    results = []
    for cell in arguments.cells:
        table = Table(title=f"{cell}, {'forward' if arguments.forward else 'forward and backward'}, milliseconds")
        for column in ("size", *PEERS, "keras ÷ ours", "torch ÷ ours", "share"):
            table.add_column(column, justify="right")
        for size in arguments.sizes:
            result = measure(cell, size, not arguments.forward, arguments.repeats)
            if arguments.memory:
                result["peak MB"] = {peer: peak_memory(peer, cell, size) for peer in ("ours", "keras")}
            results.append(result)
            times = (f"{result['milliseconds'][p]:.1f}" if p in result["milliseconds"] else "–" for p in PEERS)
            torch_ratio = result["torch ÷ ours"]
            table.add_row(
                size, *times, f"{result['keras ÷ ours']:.2f}", f"{torch_ratio:.2f}" if torch_ratio else "–",
                f"{result['share']:.0%}",
            )  # fmt: skip
        Console(width=110).print(table)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
