"""Random windows for a training that may be broken off."""

from collections.abc import Sequence

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.data import strided_windows


def epoch_windows(
    token_ids: Sequence[int] | np.ndarray, batch_size: int, num_steps: int, seed: int, first_epoch: int = 0
) -> tf.data.Dataset:
    """Cuts a text into random windows, other ones each epoch, that depend on the seed and the epoch alone.

    The dataset holds all epochs from the first one on, one after the other and without end: give `fit` the number of
    batches in an epoch, which is the cardinality of `kerasrnn.data.language_model_dataset`, as `steps_per_epoch`.

    Args:
        token_ids: The text: integers of shape (length,).
        batch_size: Windows in a batch.
        num_steps: Tokens in a window.
        seed: An integer.
        first_epoch: The epoch to begin with: `fit`'s `initial_epoch`.

    Returns:
        A `tf.data.Dataset` of pairs (token_ids, targets), both int32 of shape (batch, num_steps).

    Example:

    >>> from kerasrnn.data import language_model_dataset
    >>> def windows(first_epoch, batches):
    ...     dataset = epoch_windows(range(200), batch_size=5, num_steps=9, seed=7, first_epoch=first_epoch)
    ...     return [token_ids.numpy().tolist() for token_ids, targets in dataset.take(batches)]
    >>> steps_per_epoch = int(language_model_dataset(range(200), batch_size=5, num_steps=9).cardinality())
    >>> first, second, third = (windows(epoch, steps_per_epoch) for epoch in range(3))
    >>> first == second
    False
    >>> windows(1, 2 * steps_per_epoch) == second + third
    True
    """
    return strided_windows(token_ids, batch_size=batch_size, num_steps=num_steps, seed=seed, epoch=first_epoch, epochs=None)
