"""How long the end of a pass over a dataset takes: seconds to close its iterator, as `fit` does between two epochs.

    python benchmarks/ends_of_passes.py                    # three minutes on two cores

Each pass reads batches as training does: within a function that computes with both cores, here two products of 2048³ a
batch. Beside a dataset of `kerasrnn.data` is the same pipeline as TensorFlow's documentation ends it, with
`prefetch(tf.data.AUTOTUNE)`. They are read in turns, each pass a little longer than the one before.
"""

import argparse
import os
import statistics
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def seconds_to_close(dataset: Any, batches: int) -> float:
    import tensorflow as tf

    @tf.function
    def train(iterator: Any, weights: Any) -> Any:
        token_ids, _ = next(iterator)
        return weights @ weights @ weights + tf.cast(token_ids[0, 0], tf.float32)

    iterator, weights = iter(dataset), tf.random.normal((2048, 2048))
    for _ in range(batches):
        train(iterator, weights).numpy()
    begin = time.perf_counter()
    del iterator
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passes", type=int, default=8, help="of each pipeline (%(default)s)")
    arguments = parser.parse_args()

    import numpy as np
    import tensorflow as tf

    import kerasrnn

    token_ids = np.arange(2_000_000) % 97
    ours = kerasrnn.data.language_model_dataset(token_ids, batch_size=32, num_steps=64)
    starts = tf.data.Dataset.range(0, 2_000_000 - 65, 64).shuffle(32_000).batch(32)
    values = tf.constant(token_ids)

    def gather(begin: Any) -> Any:
        windows = tf.gather(values, begin[:, None] + tf.range(65, dtype=tf.int64))
        return windows[:, :-1], windows[:, 1:]

    usual = starts.map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    found: dict[str, list[float]] = {"kerasrnn.data": [], "prefetch(AUTOTUNE)": []}
    for number in range(arguments.passes):
        for name, dataset in zip(found, (ours, usual)):
            found[name].append(seconds_to_close(dataset, 60 + 10 * number))
    print(f"{'pipeline':20} {'median s':>9} {'longest s':>9} {'above 0.1 s':>12}")
    for name, seconds in found.items():
        late = f"{sum(each > 0.1 for each in seconds)} of {len(seconds)}"
        print(f"{name:20} {statistics.median(seconds):9.3f} {max(seconds):9.2f} {late:>12}")


if __name__ == "__main__":
    main()
