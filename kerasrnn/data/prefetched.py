"""How every pipeline ends."""

from kerasrnn._backend import tf


def prefetched(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Prepares batches while others are trained on, without tf.data's autotuner.

    The autotuner sleeps between its rounds, longer each time, up to a minute. An iterator that is closed, as `fit` does
    after each epoch, may have to wait until it wakes: with TensorFlow 2.21 for 51 s once; `benchmarks/ends_of_passes.py`
    measures it. Without it maps of parallelism `tf.data.AUTOTUNE` have a thread a core.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
