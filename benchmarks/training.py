"""How fast a language model trains: the whole step of `fit`, beside the same model on keras.layers and on torch.nn.

    python benchmarks/training.py                          # Zaremba's medium model: the README's figures
    python benchmarks/training.py --quick                  # a small one, in a minute
    python benchmarks/training.py --profile                # where our step spends its time
    python benchmarks/training.py --json training.json

The model is that of Zaremba et al. (2014): an embedding, layers of LSTM, dropout before, between and after them, a dense
layer to all words; cross-entropy, SGD, the gradients clipped by their global norm. Each run is an epoch of `fit` of some
batches from memory (a loop, for PyTorch), and includes everything that one does: the input pipeline, the metrics, the
clipping and the update. The runs of all peers are interleaved, so that a drifting machine slows all alike; a figure is the
median of its runs, a ratio the peer's time over ours, the faster of plain and XLA of each. States begin at zero in each
window, for all peers: Keras cannot carry them from batch to batch without carrying them into validation too.
PyTorch takes part where it is installed: pip install -e '.[torch]'.
"""

import argparse
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


class Setting(NamedTuple):
    vocabulary_size: int
    units: int
    layers: int
    num_steps: int
    batch_size: int
    dropout: float
    clip_norm: float = 5.0
    rate: float = 1.0


MEDIUM = Setting(10_000, 650, 2, 35, 20, 0.5)
QUICK = Setting(500, 64, 2, 10, 8, 0.5)
PEERS = ["ours", "ours_xla", "keras", "keras_xla", "torch"]


def token_ids(setting: Setting, batches: int) -> Any:
    """(batches, batch_size, num_steps + 1) words, as frequent as Zipf's law has them."""
    import numpy as np

    ranks = np.arange(1, setting.vocabulary_size + 1)
    shape = (batches, setting.batch_size, setting.num_steps + 1)
    return np.random.default_rng(0).choice(setting.vocabulary_size, shape, p=1 / ranks / np.sum(1 / ranks)).astype("int32")


def keras_model(setting: Setting, ours: bool, jit_compile: bool) -> Any:
    import keras

    import kerasrnn

    if ours:
        cells = [kerasrnn.cells.LSTMCell(setting.units) for _ in range(setting.layers)]
        model = kerasrnn.models.LanguageModel(cells, vocabulary_size=setting.vocabulary_size, dropout=setting.dropout)
    else:
        model = keras.Sequential([keras.Input((None,), dtype="int32")])
        model.add(keras.layers.Embedding(setting.vocabulary_size, setting.units))
        for _ in range(setting.layers):
            model.add(keras.layers.Dropout(setting.dropout))
            model.add(keras.layers.LSTM(setting.units, return_sequences=True))
        model.add(keras.layers.Dropout(setting.dropout))
        model.add(keras.layers.Dense(setting.vocabulary_size))
    model.compile(
        keras.optimizers.SGD(setting.rate, global_clipnorm=setting.clip_norm),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[kerasrnn.metrics.Perplexity()],
        jit_compile=jit_compile,
    )
    return model


def keras_run(peer: str, setting: Setting, batches: int) -> Callable[[], Any]:
    import tensorflow as tf

    model = keras_model(setting, peer.startswith("ours"), peer.endswith("xla"))
    windows = token_ids(setting, batches)
    dataset = tf.data.Dataset.from_tensor_slices((windows[..., :-1], windows[..., 1:])).prefetch(2)
    return lambda: model.fit(dataset, shuffle=False, verbose=0).history["perplexity"][-1]


def torch_run(setting: Setting, batches: int) -> Callable[[], Any]:
    import torch
    from torch import nn

    torch.set_num_threads(os.cpu_count() or 1)
    embedding = nn.Embedding(setting.vocabulary_size, setting.units)
    dropout = nn.Dropout(setting.dropout)
    # nn.LSTM's own dropout is the one between layers.
    lstm = nn.LSTM(setting.units, setting.units, setting.layers, batch_first=True, dropout=setting.dropout)
    dense = nn.Linear(setting.units, setting.vocabulary_size)
    parameters = [*embedding.parameters(), *lstm.parameters(), *dense.parameters()]
    optimizer = torch.optim.SGD(parameters, setting.rate)
    windows = torch.from_numpy(token_ids(setting, batches)).long()

    def run() -> float:
        total = torch.zeros(())
        for window in windows:
            optimizer.zero_grad()
            logits = dense(dropout(lstm(dropout(embedding(window[:, :-1])))[0]))
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, setting.clip_norm)
            optimizer.step()
            total += loss.detach()
        return float(torch.exp(total / batches))

    return run


def make_run(peer: str, setting: Setting, batches: int) -> Callable[[], Any] | None:
    if peer != "torch":
        return keras_run(peer, setting, batches)
    try:
        return torch_run(setting, batches)
    except ImportError:
        return None


def measure(setting: Setting, peers: list[str], batches: int, repeats: int, advance: Callable[[], None]) -> dict[str, Any]:
    """Median milliseconds of a step of each peer, interleaved, and the ratios to the faster of our two."""
    import numpy as np
    import tensorflow as tf

    runs = {peer: run for peer in peers if (run := make_run(peer, setting, batches))}
    a = tf.random.normal((2048, 2048))
    product = tf.function(tf.matmul)
    runs["product"] = lambda: product(a, a).numpy()
    for run in runs.values():
        run()
        advance()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - start) / (1 if name == "product" else batches))
            if name == "torch":
                time.sleep(0.3)  # the threads of OpenMP spin on for 0.2 s, and would slow whoever comes next
            advance()
    medians = {name: float(np.median(values)) for name, values in seconds.items()}

    def ratio(names: list[str]) -> float | None:
        ours = [medians[name] for name in ("ours", "ours_xla") if name in medians]
        theirs = [medians[name] for name in names if name in medians]
        return min(theirs) / min(ours) if ours and theirs else None

    return {
        "setting": setting._asdict(),
        "batches": batches,
        "milliseconds": {name: 1e3 * value for name, value in medians.items()},
        "all milliseconds": {name: [1e3 * value for value in values] for name, values in seconds.items()},
        "keras ÷ ours": ratio(["keras", "keras_xla"]),
        "torch ÷ ours": ratio(["torch"]),
        "product GFLOP/s": 2 * 2048**3 / medians["product"] / 1e9,
    }


def profile(setting: Setting, batches: int) -> list[tuple[str, int, float]]:
    """(kind of operation, times, milliseconds) a step, of all threads together, from TensorFlow's profiler."""
    import glob

    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    run = keras_run("ours", setting, batches)
    run()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            run()
        space = xplane_pb2.XSpace()
        with open(glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)[0], "rb") as file:
            space.ParseFromString(file.read())
    milliseconds: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if ":" not in name or "#" in name or "::" in name:
                    continue
                kind = name.rpartition(":")[2]
                milliseconds[kind] += event.duration_ps / 1e9 / batches
                counts[kind] += 1
    return sorted(((kind, counts[kind] // batches, milliseconds[kind]) for kind in counts), key=lambda row: -row[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small model, to see that all works")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("--batches", type=int, default=5, help="of an epoch (%(default)s)")
    parser.add_argument("--repeats", type=int, default=7, help="epochs of each peer (%(default)s)")
    parser.add_argument("--profile", action="store_true", help="only where our step spends its time, without XLA")
    parser.add_argument("--json", help="a file to write all figures to")
    arguments = parser.parse_args()
    setting = QUICK if arguments.quick else MEDIUM
    if arguments.batches < 1 or arguments.repeats < 1:
        parser.error("--batches and --repeats must be at least 1")

    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    console, stderr = Console(highlight=False), Console(stderr=True)
    if arguments.profile:
        result: Any = profile(setting, arguments.batches)
        table = Table("operation", "times", "ms a step", title="Our step, by kind of operation, all threads")
        for kind, count, milliseconds in result[:25]:
            table.add_row(kind, str(count), f"{milliseconds:.1f}")
    else:
        with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
            bar = progress.add_task("measuring", total=(len(arguments.peers) + 1) * (arguments.repeats + 1))
            result = measure(
                setting, arguments.peers, arguments.batches, arguments.repeats, lambda: progress.advance(bar)
            )
        table = Table(*result["milliseconds"], "keras ÷ ours", "torch ÷ ours", title="A step of fit, milliseconds")
        ratios = [result["keras ÷ ours"], result["torch ÷ ours"]]
        table.add_row(
            *(f"{value:.1f}" for value in result["milliseconds"].values()),
            *("–" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
        )
    console.print(table)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
