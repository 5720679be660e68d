"""What the input pipeline costs in the training of a small LSTM: its share of a step of `fit`, in %.

    python benchmarks/input_pipeline.py                     # 1 × 128 units, batches of 32 × 64 characters of moby_dick
    python benchmarks/input_pipeline.py --units 64 --steps 100 --json input.json

Three measures, none of which counts a pipeline's start. "processor": the processor's time, of all threads, that a batch takes,
in % of what a step takes; a busy machine does not disturb it. "waiting": how much longer asking for the next batch takes than for
one that costs nothing, as a mean between steps that are computed to their end, in % of the step. "against a constant batch":
how much longer a step of `fit` takes than with one batch of the same shape, repeated; each `fit` is timed between two of
those, and the figure is the median. It also holds what the pipeline's threads take from the processor and, on a busy
machine, noise, which the last column shows. Batches of bucketed documents have many shapes, which alone makes steps
unequal; there the batches to compare with are as many of its own, cached.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

WARM_UP = 10
BATCHES = 1000  # so many and three times as many are drained: the difference has no start in it


def pipelines(folder: Path, batch_size: int, num_steps: int) -> tuple[dict[str, Any], int]:
    """The datasets by their names, without end, and the size of the vocabulary."""
    import kerasrnn

    corpus, tokenizer = kerasrnn.data.load_corpus("moby_dick"), kerasrnn.tokenizers.CharTokenizer()
    tokenizer.adapt(corpus.train)
    token_ids = tokenizer.tokenize(corpus.train).numpy()
    kerasrnn.data.prepare_shards(corpus, folder, tokenizer)
    shards = kerasrnn.data.TokenShards(folder)
    documents = [line for line in corpus.train.split("\n\n") if len(line) > 1]
    streams = kerasrnn.data.document_streams(documents, tokenizer, batch_size, num_steps, seed=0, epochs=None)
    sizes = (batch_size, num_steps)
    made = {
        "epoch_windows": kerasrnn.training.epoch_windows(token_ids, *sizes, seed=0),
        "document_streams": streams.map(lambda inputs, *rest: (inputs["token_ids"], *rest)),
        "bucketed_documents": kerasrnn.data.bucketed_documents(documents, tokenizer, batch_size, seed=0, epochs=None),
        "shards, shuffled": shards.epochs(*sizes, seed=0, epochs=None),
        "shards, streams": shards.epochs(*sizes, contiguous=True, seed=0, epochs=None),
    }
    return made, tokenizer.vocabulary_size()


def model_of(vocabulary_size: int, units: int) -> Any:
    import keras

    import kerasrnn

    layers = [
        keras.layers.Embedding(vocabulary_size, units),
        kerasrnn.layers.LSTM(units, return_sequences=True),
        keras.layers.Dense(vocabulary_size),
    ]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), loss)
    return model


def waiting(model: Any, dataset: Any, cached: Any, steps: int) -> tuple[float, float]:
    """Mean seconds of a step, and how much longer it waits for the pipeline than for batches that cost nothing."""
    import tensorflow as tf

    step = tf.function(model.train_step, reduce_retracing=True)
    iterators = iter(cached), iter(dataset)
    asked, computed = np.zeros((steps + WARM_UP, 2)), np.zeros(steps + WARM_UP)
    for number in range(steps + WARM_UP):
        for column in (0, 1) if number % 2 else (1, 0):  # the first one finds the processor's caches cold
            start = time.perf_counter()
            batch = next(iterators[column])
            asked[number, column] = time.perf_counter() - start
        start = time.perf_counter()
        float(step(batch)["loss"])  # until it is computed
        computed[number] = time.perf_counter() - start
    free, real = asked[WARM_UP:].mean(axis=0)
    return float(computed[WARM_UP:].mean() + real), float(real - free)


def constant(dataset: Any, steps: int) -> Any:
    """Batches that cost nothing: one, repeated, or where the shapes differ some of the pipeline's own."""
    import tensorflow as tf

    batches = list(dataset.take(steps))
    if len({tuple(batch[1].shape) for batch in batches}) == 1:
        return tf.data.Dataset.from_tensors(batches[0]).repeat()
    return dataset.take(steps).cache().repeat().prefetch(1)


def step_seconds(model: Any, dataset: Any, steps: int) -> float:
    """The mean step of a `fit`, but of the first ones, in which the pipeline starts."""
    import keras

    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
    model.fit(dataset, steps_per_epoch=steps + WARM_UP, shuffle=False, verbose=0, callbacks=[clock])
    return (ends[-1] - ends[WARM_UP - 1]) / steps


def processor_share(model: Any, dataset: Any, cached: Any, steps: int) -> float:
    """The processor's time for a batch over that for a step of `fit` with batches that cost nothing."""
    def drain(number: int) -> None:
        dataset.take(number).reduce(0, lambda count, *batch: count + 1)

    def seconds(run: Callable[..., Any], *arguments: Any, **options: Any) -> float:
        start = time.process_time()
        run(*arguments, **options)
        return time.process_time() - start

    few, many = (min(seconds(drain, number) for _ in range(2)) for number in (BATCHES, 3 * BATCHES))
    step = seconds(model.fit, cached, steps_per_epoch=steps, shuffle=False, verbose=0) / steps
    return (many - few) / (2 * BATCHES) / step


def input_rows(
    batch_size: int = 32,
    num_steps: int = 64,
    units: int = 128,
    steps: int = 60,
    repeats: int = 5,
    advance: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Measures every pipeline.

    Returns:
        One dictionary a pipeline: "name", "step" in ms, "processor", "waiting" and "against constant" in % of the step.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        datasets, vocabulary_size = pipelines(Path(folder), batch_size, num_steps)
        for name, dataset in datasets.items():
            model = model_of(vocabulary_size, units)
            cached = constant(dataset, steps)
            for warm_up in (dataset, cached):
                step_seconds(model, warm_up, steps)
            advance()
            more = []
            for _ in range(repeats):
                before, real, after = (step_seconds(model, each, steps) for each in (cached, dataset, cached))
                more.append(2 * real / (before + after) - 1)
                advance()
            processor = processor_share(model, dataset, cached, steps)
            step, waited = waiting(model, dataset, cached, steps)
            advance()
            rows.append(
                {
                    "name": name,
                    "step": step * 1e3,
                    "processor": 100 * processor,
                    "waiting": 100 * waited / step,
                    "against constant": 100 * statistics.median(more),
                    "spread": [100 * min(more), 100 * max(more)],
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--num-steps", type=int, default=64)
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--steps", type=int, default=60, help="steps of each fit that are timed")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", help="a file to write all figures to")
    given = parser.parse_args()

    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("measuring", total=5 * (given.repeats + 2))
        rows = input_rows(
            given.batch_size, given.num_steps, given.units, given.steps, given.repeats, lambda: progress.advance(bar)
        )
    table = Table(title=f"the input pipeline in fit: 1 × {given.units} units, {given.batch_size} × {given.num_steps}")
    for column in ("pipeline", "step, ms", "processor, %", "waiting, %", "against a constant batch, %", "least to most, %"):
        table.add_column(column, justify="left" if column == "pipeline" else "right")
    for row in rows:
        least, most = row["spread"]
        figures = f"{row['step']:.1f}", f"{row['processor']:.2f}", f"{row['waiting']:.2f}", f"{row['against constant']:+.1f}", f"{least:+.1f} to {most:+.1f}"
        table.add_row(row["name"], *figures)
    Console(width=110).print(table)
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
