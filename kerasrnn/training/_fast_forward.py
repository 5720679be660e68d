"""The batches of an epoch that a training has behind it, passed over without being computed again."""

import itertools
from collections.abc import Callable
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
    unread: list[Any] = []

    def step(iterator: Any) -> Any:
        nonlocal passed
        if passed >= batches:
            model.train_function = function
            go_on()
            return function(itertools.chain(unread, iterator))
        reads = model.steps_per_execution if read_batches else 0
        if not passed and (data := next(iterator, None)) is not None:
            # At once: an epoch that is stopped while batches are passed over asks the metrics for their results, too.
            _make_metrics(model, data)
            reads -= bool(read_batches)
            unread.extend([] if read_batches else [data])
        passed += model.steps_per_execution
        for _ in range(reads):
            next(iterator)
        return dict(logs)

    model.train_function = step


def _make_metrics(model: keras.Model, data: Any) -> None:
    """Lets compiled metrics make their variables, which they do at the first batch they see."""

    def update(data: Any) -> None:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        model.compute_metrics(x, y, model(x, training=False), sample_weight)

    model.distribute_strategy.run(update, args=(data,))
    model.reset_metrics()
