"""The batches of an epoch that a training has behind it, passed over without being computed again."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from kerasrnn._backend import keras


def fast_forward(
    model: keras.Model, batches: int, read_batches: bool, logs: dict[str, float], go_on: Callable[[], None]
) -> None:
    """Makes the next `batches` batches of `fit` do nothing, and calls `go_on` before the one after them.

    To be called within `fit`, in `on_epoch_begin`: batch numbers and callbacks then count as in a whole epoch. When
    `go_on` is called, all metrics have their variables.

    Args:
        model: The model in training.
        batches: How many to pass over.
        read_batches: Whether to take them from the dataset.
        logs: The figures to show meanwhile.
        go_on: What prepares the model for the next batch.
    """
    function, passed = model.train_function, 0

    def step(iterator: Any) -> Any:
        nonlocal passed
        if passed >= batches:
            model.train_function = function
            iterator = _with_metrics(model, iterator)
            go_on()
            return function(iterator)
        passed += model.steps_per_execution
        for _ in range(model.steps_per_execution if read_batches else 0):
            next(iterator)
        return dict(logs)

    model.train_function = step


def _with_metrics(model: keras.Model, iterator: Iterator[Any]) -> Iterator[Any]:
    """Lets compiled metrics make their variables, which they do at the first batch they see; the iterator keeps it."""
    data = next(iterator, None)
    if data is None:
        return iterator

    def update(data: Any) -> None:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        model.compute_metrics(x, y, model(x, training=False), sample_weight)

    model.distribute_strategy.run(update, args=(data,))
    return itertools.chain([data], iterator)
