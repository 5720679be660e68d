"""The windows of a run: random ones, or streams that a stateful model goes on with."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.data import language_model_dataset, variable_windows
from kerasrnn.data.prefetched import prefetched
from kerasrnn.models import Recipe
from kerasrnn.training.epoch_windows import epoch_windows


def steps_per_epoch(token_ids: np.ndarray, recipe: Recipe, seed: int) -> int:
    """How many batches an epoch of `training_windows` has.

    Raises:
        ValueError: If the text is too short for one.
    """
    if recipe.variable_steps:
        return int(_variable(token_ids, recipe, seed, epoch=0).cardinality())
    if recipe.stateful:
        return int(_streams(token_ids, recipe.batch_size, recipe.num_steps).cardinality())
    return int(language_model_dataset(token_ids, None, recipe.batch_size, recipe.num_steps).cardinality())


def training_windows(token_ids: np.ndarray, recipe: Recipe, seed: int, first_epoch: int = 0) -> tf.data.Dataset:
    """Cuts a text into the windows of all epochs from the first one on, without end; `fit` counts the steps of each.

    What an epoch has depends on the seed and the epoch alone. Of a stateful recipe each epoch begins at the text's
    beginning: in its own windows, or with `variable_steps` in windows of other lengths each epoch. Their number then
    differs a little from epoch to epoch, where Keras counts the same for all: an epoch with more than the first leaves
    out its last ones, and one with fewer takes some from its beginning again.

    Args:
        token_ids: The text: integers of shape (length,).
        recipe: Says how to cut.
        seed: An integer.
        first_epoch: The epoch to begin with: `fit`'s `initial_epoch`.

    Returns:
        A `tf.data.Dataset` of pairs (token_ids, targets), both int32 of shape (batch, time).

    Example:

    >>> recipe = Recipe(stateful=True, variable_steps=True, batch_size=4, num_steps=70)
    >>> def windows(first_epoch, batches):
    ...     dataset = training_windows(np.arange(4001), recipe, seed=7, first_epoch=first_epoch)
    ...     return [token_ids.numpy().tolist() for token_ids, targets in dataset.take(batches)]
    >>> steps = steps_per_epoch(np.arange(4001), recipe, seed=7)
    >>> windows(0, 3 * steps)[steps:] == windows(1, 2 * steps)
    True
    """
    if not recipe.stateful:
        return epoch_windows(token_ids, recipe.batch_size, recipe.num_steps, seed, first_epoch)
    if not recipe.variable_steps:
        return _streams(token_ids, recipe.batch_size, recipe.num_steps).repeat()
    steps = steps_per_epoch(token_ids, recipe, seed)

    def batches() -> Iterator[Any]:
        for epoch in itertools.count(first_epoch):
            yield from _variable(token_ids, recipe, seed, epoch).repeat().take(steps)

    pair = (tf.TensorSpec((recipe.batch_size, None), tf.int32),) * 2
    return prefetched(tf.data.Dataset.from_generator(batches, output_signature=pair))


def validation_windows(token_ids: np.ndarray, recipe: Recipe) -> tf.data.Dataset:
    """Cuts a text into windows in its order; of a stateful recipe into streams, fewer than in training if it is short.

    Raises:
        ValueError: If the text is too short for one.
    """
    if not recipe.stateful:
        return language_model_dataset(token_ids, None, recipe.batch_size, recipe.num_steps, shuffle=False)
    rows = min(recipe.batch_size, (len(token_ids) - 1) // recipe.num_steps)
    return _streams(token_ids, max(rows, 1), recipe.num_steps)


def _streams(token_ids: np.ndarray, batch_size: int, num_steps: int) -> tf.data.Dataset:
    return language_model_dataset(token_ids, None, batch_size, num_steps, shuffle=False, contiguous=True)


def _variable(token_ids: np.ndarray, recipe: Recipe, seed: int, epoch: int) -> tf.data.Dataset:
    return variable_windows(token_ids, None, recipe.batch_size, recipe.num_steps, seed=seed, epoch=epoch)
