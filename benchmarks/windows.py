"""How fast windows come, beside the ways that are usual: million tokens a second, all in one run.

    python benchmarks/windows.py                           # 40 million tokens in memory, batches of 32 × 64
    python benchmarks/windows.py --tokens 4000000 --json windows.json

"shuffled" has the windows of each epoch in another order. The runs of all are interleaved, so that a drifting machine
slows all alike; a figure is the median of its runs. `drained` empties the pipeline inside `tf.data`, as a training loop
in a graph does; `iterated` hands each batch to Python. Slow peers cut a part of the text only (`share`).
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


class Way(NamedTuple):
    name: str
    make: Callable[..., Any]  # from token ids, batch size and number of steps to a dataset
    share: int = 1  # how many times fewer tokens it gets


def ours(maker: str, **options: Any) -> Callable[..., Any]:
    def make(token_ids: Any, batch_size: int, num_steps: int) -> Any:
        import kerasrnn

        return getattr(kerasrnn.data, maker)(token_ids, None, batch_size, num_steps, **options)

    return make


def ours_bucketed(token_ids: Any, batch_size: int, num_steps: int) -> Any:
    """Documents of 2 · num_steps at most."""
    import numpy as np
    import tensorflow as tf

    import kerasrnn

    lengths = np.random.default_rng(0).integers(1, 2 * num_steps, len(token_ids) // num_steps)
    lengths = lengths[np.cumsum(lengths) <= len(token_ids)]
    documents = tf.RaggedTensor.from_row_lengths(token_ids[: lengths.sum()], lengths)
    return kerasrnn.data.bucketed_documents(documents, None, batch_size, seed=0)


def slices(token_ids: Any, batch_size: int, num_steps: int) -> Any:
    """One slice a window, shuffled in a buffer of 10,000 windows, as most tutorials do."""
    import tensorflow as tf

    tensor = tf.constant(token_ids)
    starts = tf.data.Dataset.range(0, len(token_ids) - num_steps, num_steps).shuffle(10_000, seed=0)
    windows = starts.map(lambda start: tensor[start : start + num_steps + 1], num_parallel_calls=tf.data.AUTOTUNE)
    pairs = windows.map(lambda window: (window[:-1], window[1:]), num_parallel_calls=tf.data.AUTOTUNE)
    return pairs.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def chunks(token_ids: Any, batch_size: int, num_steps: int) -> Any:
    """One element a token, batched into windows, as in TensorFlow's tutorial on text generation."""
    import tensorflow as tf

    windows = tf.data.Dataset.from_tensor_slices(token_ids).batch(num_steps + 1, drop_remainder=True)
    pairs = windows.map(lambda window: (window[:-1], window[1:]))
    return pairs.shuffle(10_000, seed=0).batch(batch_size).prefetch(tf.data.AUTOTUNE)


def timeseries(token_ids: Any, batch_size: int, num_steps: int) -> Any:
    import keras

    return keras.utils.timeseries_dataset_from_array(
        token_ids, None, num_steps + 1, num_steps, batch_size=batch_size, shuffle=True, seed=0
    ).map(lambda windows: (windows[:, :-1], windows[:, 1:]))


WAYS = [
    Way("strided_windows, shuffled", ours("strided_windows", seed=0)),
    Way("strided_windows, stride 16, shuffled", ours("strided_windows", stride=16, seed=0), share=4),
    Way("language_model_dataset, shuffled", ours("language_model_dataset", seed=0)),
    Way("language_model_dataset, contiguous", ours("language_model_dataset", contiguous=True, seed=0)),
    Way("variable_windows", ours("variable_windows", seed=0)),
    Way("document_streams", ours("document_streams", seed=0)),
    Way("bucketed_documents, shuffled", ours_bucketed),
    Way("a slice a window, shuffled", slices, share=40),
    Way("a token an element, batched, shuffled", chunks, share=40),
    Way("keras.utils.timeseries_dataset_from_array", timeseries, share=40),
]


def drained(dataset: Any) -> int:
    """Counts the targets inside tf.data."""
    import tensorflow as tf

    return int(dataset.reduce(tf.constant(0, tf.int64), lambda count, element: count + tf.size(element[1], tf.int64)))


def iterated(dataset: Any) -> int:
    return sum(element[1].shape[0] * element[1].shape[1] for element in dataset)


def windows_rows(
    tokens: int = 40_000_000,
    batch_size: int = 32,
    num_steps: int = 64,
    repeats: int = 5,
    advance: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Times every way.

    Returns:
        One dictionary a way: "name", "drained" and "iterated" in million tokens a second.
    """
    import numpy as np

    token_ids = np.random.default_rng(0).integers(0, 80, tokens).astype("int32")
    datasets = {way: way.make(token_ids[: tokens // way.share], batch_size, num_steps) for way in WAYS}
    rates: dict[tuple[str, str], list[float]] = {}
    for repeat in range(repeats + 1):  # the first one warms up
        for way, dataset in datasets.items():
            for consume in (drained, iterated):
                start = time.perf_counter()
                count = consume(dataset)
                rate = count / (time.perf_counter() - start) / 1e6
                if repeat:
                    rates.setdefault((way.name, consume.__name__), []).append(rate)
        advance()
    return [
        {"name": way.name, **{name: statistics.median(rates[way.name, name]) for name in ("drained", "iterated")}}
        for way in WAYS
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=40_000_000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--num-steps", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", help="a file to write all figures to")
    arguments = parser.parse_args()

    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("measuring", total=arguments.repeats + 1)
        rows = windows_rows(
            arguments.tokens, arguments.batch_size, arguments.num_steps, arguments.repeats, lambda: progress.advance(bar)
        )
    table = Table(title=f"windows of {arguments.batch_size} × {arguments.num_steps}, million tokens/s")
    for column, justify in (("way", "left"), ("drained", "right"), ("iterated", "right")):
        table.add_column(column, justify=justify)
    for row in rows:
        table.add_row(row["name"], f"{row['drained']:.1f}", f"{row['iterated']:.1f}")
    Console(width=110).print(table)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
