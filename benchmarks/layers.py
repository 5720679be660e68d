"""How fast the recurrent layers train and run, beside keras.layers and torch.nn, all in one run.

    python benchmarks/layers.py                            # the README's table: LSTM, forward and backward
    python benchmarks/layers.py --cells lstm gru --sizes 32x64x512x512 --json layers.json
    python benchmarks/layers.py --fit                      # a whole epoch of model.fit
    python benchmarks/layers.py --cells lstm min_gru --sizes 8x1024x512x512

Every size is batch × time × features × units. The runs of all peers are interleaved, so that a drifting machine slows
all alike; a figure is the median of its runs, a ratio the peer's time over ours, the faster of plain and XLA of each.
"Share" is our rate of useful arithmetic over that of a 2048³ matrix product timed beside it. Keras's peer of a cell that
Keras does not have is our cell in keras.layers.RNN. PyTorch takes part where it is installed: pip install -e '.[torch]'.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


class Kind(NamedTuple):
    cell: str  # in kerasrnn.cells, and in keras.layers where it is there too
    torch: str | None  # in torch.nn
    gates: int  # blocks of `units` columns
    recurrent: bool = True


SIZES = ["32x64x512x512", "20x35x650x650", "64x100x128x256", "1024x32x32x32", "1x512x256x256"]
KINDS = {
    "simple_rnn": Kind("SimpleRNNCell", "RNN", 1),
    "lstm": Kind("LSTMCell", "LSTM", 4),
    "gru": Kind("GRUCell", "GRU", 3),
    "layer_norm_lstm": Kind("LayerNormLSTMCell", None, 4),
    "min_gru": Kind("MinGRUCell", None, 2, recurrent=False),
}
PEERS = ["ours", "ours_xla", "keras", "keras_xla", "torch"]
BATCHES = 8  # of an epoch of fit


def keras_run(
    peer: str, kind: Kind, shape: tuple[int, ...], mode: str, checkpoint_steps: int | None = None
) -> Callable[[], Any]:
    import keras
    import numpy as np
    import tensorflow as tf

    import kerasrnn

    batch, steps, features, units = shape
    if peer.startswith("ours"):
        cell = getattr(kerasrnn.cells, kind.cell)(units)
        layer = kerasrnn.layers.RNN(cell, return_sequences=True, checkpoint_steps=checkpoint_steps)
    elif hasattr(keras.layers, kind.cell):
        layer = getattr(keras.layers, kind.cell.removesuffix("Cell"))(units, return_sequences=True)
    else:
        layer = keras.layers.RNN(getattr(kerasrnn.cells, kind.cell)(units), return_sequences=True)
    batches = BATCHES if mode == "fit" else 1
    x = tf.constant(np.random.default_rng(0).standard_normal((batches * batch, steps, features)), tf.float32)
    if mode == "fit":
        model = keras.Sequential([keras.Input((steps, features)), layer, keras.layers.Dense(1)])
        model.compile("adam", "mse", jit_compile=peer.endswith("xla"))
        y = tf.zeros((batches * batch, steps, 1))
        return lambda: model.fit(x, y, batch_size=batch, shuffle=False, verbose=0)
    layer(x)
    weights = [w.value for w in layer.trainable_weights]

    @tf.function(jit_compile=peer.endswith("xla"))
    def run() -> Any:
        if mode == "forward":
            return tf.reduce_sum(layer(x, training=False))
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.square(layer(x, training=True)))
        return tape.gradient(loss, [x, *weights])

    return lambda: tf.nest.map_structure(lambda t: t.numpy(), run())


def torch_run(name: str, shape: tuple[int, ...], mode: str) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    batch, steps, features, units = shape
    layer = getattr(torch.nn, name)(features, units, batch_first=True)
    dense = torch.nn.Linear(units, 1)
    optimizer = torch.optim.Adam([*layer.parameters(), *dense.parameters()])
    count = BATCHES if mode == "fit" else 1
    batches = [torch.randn(batch, steps, features, requires_grad=mode != "fit") for _ in range(count)]

    def fit() -> Any:
        for x in batches:
            optimizer.zero_grad()
            dense(layer(x)[0]).square().mean().backward()
            optimizer.step()

    def run() -> Any:
        (x,) = batches
        if mode == "forward":
            with torch.no_grad():
                return layer(x)[0].sum().item()
        x.grad = None
        layer.zero_grad()
        layer(x)[0].square().sum().backward()
        return x.grad.sum().item()

    return fit if mode == "fit" else run


def product_run() -> Callable[[], Any]:
    import tensorflow as tf

    a = tf.random.normal((2048, 2048))
    product = tf.function(tf.matmul)
    return lambda: product(a, a).numpy()


def make_run(
    peer: str, cell: str, shape: tuple[int, ...], mode: str, checkpoint_steps: int | None = None
) -> Callable[[], Any] | None:
    kind = KINDS[cell]
    if peer != "torch":
        return keras_run(peer, kind, shape, mode, checkpoint_steps)
    try:
        return torch_run(kind.torch, shape, mode) if kind.torch else None
    except ImportError:
        return None


def measure(
    cell: str, size: str, mode: str, repeats: int, checkpoint_steps: int | None, advance: Callable[[], None]
) -> dict[str, Any]:
    """Median seconds of each peer, interleaved, and the ratios to the faster of our two."""
    import numpy as np

    shape = batch, steps, features, units = tuple(map(int, size.split("x")))
    runs = {peer: run for peer in PEERS if (run := make_run(peer, cell, shape, mode, checkpoint_steps))}
    runs["product"] = product_run()
    for run in runs.values():
        run()
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            run()  # once without the clock: the others have emptied the caches
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
            if name == "torch":
                time.sleep(0.3)  # the threads of OpenMP spin on for 0.2 s, and would slow whoever comes next
        advance()
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    products = {"forward": 1, "forward and backward": 3, "fit": 3 * BATCHES}[mode]
    width = features + units * KINDS[cell].recurrent
    flops = products * 2 * batch * steps * width * KINDS[cell].gates * units
    ours = min(medians["ours"], medians["ours_xla"])
    return {
        "cell": cell,
        "size": size,
        "mode": mode,
        "milliseconds": {name: 1e3 * value for name, value in medians.items()},
        "keras ÷ ours": min(medians["keras"], medians["keras_xla"]) / ours,
        "torch ÷ ours": medians["torch"] / ours if "torch" in medians else None,
        "share": flops / ours / (2 * 2048**3 / medians["product"]),
    }


def peak_memory(peer: str, cell: str, size: str, checkpoint_steps: int | None) -> float:
    """Peak resident memory in MB of forward and backward in a process of its own, above its imports."""
    program = (
        f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r}); import layers\n"
        f"layers.product_run()(); before = layers.resident()\n"
        f"run = layers.make_run({peer!r}, {cell!r}, {tuple(map(int, size.split('x')))}, 'forward and backward', {checkpoint_steps})\n"
        f"[run() for _ in range(3)]; print(layers.resident() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def resident() -> float:
    """The peak of this process. (Not getrusage's: a child begins with its parent's.)"""
    with open("/proc/self/status") as file:
        return next(float(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def row(result: dict[str, Any]) -> list[str]:
    milliseconds, torch_ratio = result["milliseconds"], result["torch ÷ ours"]
    return [
        result["size"],
        *(f"{milliseconds[p]:.1f}" if p in milliseconds else "–" for p in PEERS),
        f"{result['keras ÷ ours']:.2f}",
        f"{torch_ratio:.2f}" if torch_ratio else "–",
        f"{result['share']:.0%}",
        *(f"{peak:.0f}" for peak in result.get("peak MB", {}).values()),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=["lstm"], choices=list(KINDS))
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="batch x time x features x units")
    parser.add_argument("--forward", dest="mode", action="store_const", const="forward", help="the forward pass alone")
    parser.add_argument("--fit", dest="mode", action="store_const", const="fit", help="a whole epoch of model.fit")
    parser.add_argument("--memory", action="store_true", help="also the peak memory in MB, each in a process of its own")
    parser.add_argument("--checkpoint-steps", type=int, help="ours computes all but every k-th state a second time")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", help="a file to write all figures to")
    arguments = parser.parse_args()
    mode = arguments.mode or "forward and backward"

    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    results = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("measuring", total=len(arguments.cells) * len(arguments.sizes) * arguments.repeats)
        for cell in arguments.cells:
            table = Table(title=f"{cell}, {mode}, milliseconds")
            peaks = PEERS[:4] if arguments.memory else []
            for column in ("size", *PEERS, "keras ÷ ours", "torch ÷ ours", "share", *(f"{p}, MB" for p in peaks)):
                table.add_column(column, justify="right")
            for size in arguments.sizes:
                progress.update(bar, description=f"{cell} {size}")
                result = measure(
                    cell, size, mode, arguments.repeats, arguments.checkpoint_steps, lambda: progress.advance(bar)
                )
                if arguments.memory:
                    result["peak MB"] = {peer: peak_memory(peer, cell, size, arguments.checkpoint_steps) for peer in peaks}
                results.append(result)
                table.add_row(*row(result))
            Console(width=150 if arguments.memory else 110).print(table)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
