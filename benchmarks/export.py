"""How fast exported models run, beside tf2onnx's own export of the same model, Keras's predict and PyTorch, all in one run.

    python benchmarks/export.py                  # the tables of docs/export.md
    python benchmarks/export.py --quick          # small sizes, in a minute
    python benchmarks/export.py --json export.json

First each layer by itself, on sequences of random numbers: our ONNX against the one that Keras writes through tf2onnx. Then
a language model's forward pass on a batch, and the time to export and verify it. The runs are interleaved, so that a
drifting machine slows all alike; a figure is the median of its runs, a ratio the peer's time over ours. PyTorch takes part where
it is installed: pip install -e '.[torch]'. (How fast generate.onnx writes, in 8 bits too: benchmarks/inference.py.)
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from inference import median_seconds

FEATURES = 64


def kinds(units: int) -> dict[str, tuple[Callable[[], Any], bool]]:
    """Layers by name, and whether their input is masked."""
    import keras

    from kerasrnn.cells import LayerNormLSTMCell

    layers = keras.layers
    return {
        "LSTM": (lambda: layers.LSTM(units, return_sequences=True), False),
        "GRU": (lambda: layers.GRU(units, return_sequences=True), False),
        "SimpleRNN": (lambda: layers.SimpleRNN(units, return_sequences=True), False),
        "masked LSTM": (lambda: layers.LSTM(units, return_sequences=True), True),
        "masked GRU": (lambda: layers.GRU(units, return_sequences=True), True),
        "LayerNorm-LSTM": (lambda: layers.RNN(LayerNormLSTMCell(units), return_sequences=True), False),
    }


def session_of(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def layer_runs(layer: Any, masked: bool, batch: int, steps: int, folder: Path, threads: int) -> dict[str, Callable[[], Any]]:
    import keras
    import numpy as np

    import kerasrnn.export

    x = keras.Input((None, FEATURES), name="x")
    model = keras.Model(x, layer(keras.layers.Masking()(x) if masked else x))
    # Few steps to verify on: an untrained LayerNorm-LSTM is chaotic, and makes much of rounding in the long run.
    samples = np.random.default_rng(1).standard_normal((3, 20, FEATURES)).astype("float32")
    ours = session_of(kerasrnn.export.export_onnx(model, folder / "ours", samples) / "forward.onnx", threads)
    keras.Model.export(model, folder / "tf2onnx.onnx", format="onnx", verbose=False)
    theirs = session_of(folder / "tf2onnx.onnx", threads)
    values = np.random.default_rng(0).standard_normal((batch, steps, FEATURES)).astype("float32")
    name = theirs.get_inputs()[0].name
    return {"ours": lambda: ours.run(None, {"x": values}), "tf2onnx": lambda: theirs.run(None, {name: values})}


def forward_runs(
    units: int, vocabulary: int, batch: int, steps: int, folder: Path, threads: int
) -> tuple[dict[str, Any], Any]:
    import keras
    import numpy as np

    import kerasrnn

    cells = [kerasrnn.cells.LSTMCell(units) for _ in range(2)]
    model = kerasrnn.models.LanguageModel(cells, vocabulary_size=vocabulary)
    began = time.perf_counter()
    exported = model.export(folder / "model", format="onnx")
    seconds = time.perf_counter() - began
    quantised = model.export(folder / "int8", format="onnx", quantize="int8")
    ours, in_8_bits = (session_of(path / "forward.onnx", threads) for path in (exported, quantised))
    token_ids = np.random.default_rng(0).integers(0, vocabulary, (batch, steps)).astype("int32")
    stock = keras.Sequential([keras.Input((None,), dtype="int32"), keras.layers.Embedding(vocabulary, units)])
    for _ in range(2):
        stock.add(keras.layers.LSTM(units, return_sequences=True))
    stock.add(keras.layers.Dense(vocabulary))
    runs: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours.run(None, {"token_ids": token_ids}),
        "ours, int8": lambda: in_8_bits.run(None, {"token_ids": token_ids}),
        "Keras predict": lambda: stock.predict_on_batch(token_ids),
    }
    try:
        import torch
    except ImportError:
        pass
    else:
        torch.set_num_threads(threads)
        embedding, output = torch.nn.Embedding(vocabulary, units), torch.nn.Linear(units, vocabulary)
        lstm, ids = torch.nn.LSTM(units, units, 2, batch_first=True), torch.from_numpy(token_ids).long()

        def by_torch() -> Any:
            with torch.inference_mode():
                return output(lstm(embedding(ids))[0]).numpy()

        runs["torch.nn, eager"] = by_torch
    return runs, (model.count_params(), seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="small sizes, three repeats")
    parser.add_argument("--json", type=Path, help="a file to write all figures to")
    arguments = parser.parse_args()
    units, steps, vocabulary, repeats = (64, 32, 500, 3) if arguments.quick else (512, 256, 10_000, arguments.repeats)

    import tensorflow as tf
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    results: dict[str, Any] = {"layers": {}}
    layers = kinds(units)
    with tempfile.TemporaryDirectory() as name, Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=(2 * len(layers) + 4) * repeats)
        for i, (title, (make, masked)) in enumerate(layers.items()):
            progress.update(bar, description=title)
            runs = layer_runs(make(), masked, 1, steps, Path(name) / str(i), arguments.threads)
            results["layers"][title] = median_seconds(runs, repeats, lambda: progress.advance(bar))
        progress.update(bar, description="language model")
        batch = (32, 64) if not arguments.quick else (4, 16)
        runs, (parameters, seconds) = forward_runs(units, vocabulary, *batch, Path(name), arguments.threads)
        results["forward"] = median_seconds(runs, repeats, lambda: progress.advance(bar))
    results["export"] = {"parameters": parameters, "seconds": seconds}

    console = Console(highlight=False)
    title = f"{units} units, batch 1, {steps} steps, {arguments.threads} threads"
    table = Table("layer", box=None, title=title, pad_edge=False)
    for column in ("ours, ms", "tf2onnx, ms", "tf2onnx ÷ ours"):
        table.add_column(column, justify="right")
    for title, figures in results["layers"].items():
        ours, theirs = figures["ours"], figures["tf2onnx"]
        table.add_row(title, f"{1e3 * ours:.2f}", f"{1e3 * theirs:.2f}", f"{theirs / ours:.2f}")
    console.print(table)
    shape = f"{batch[0]} × {batch[1]} tokens, 2 × LSTM({units}), {vocabulary:,} words"
    table = Table("forward", box=None, title=shape, pad_edge=False)
    for column in ("ms", "it ÷ ours"):
        table.add_column(column, justify="right")
    for peer, value in results["forward"].items():
        table.add_row(peer, f"{1e3 * value:.1f}", f"{value / results['forward']['ours']:.2f}")
    console.print(table)
    console.print(f"Exported and verified {parameters:,} parameters in {seconds:.1f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
