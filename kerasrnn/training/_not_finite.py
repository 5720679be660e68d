"""Where in a model the first number appears that is none."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf

_ROWS = 256  # at most so many are tried one by one


def first_not_finite(model: keras.Model, data: Any) -> list[str]:
    """Computes a batch's loss and gradient again, layer by layer, and says where they fail and how large all is.

    Args:
        model: The compiled model, with the weights, seeds and carried states of before the batch.
        data: The batch, as `fit` takes it from its dataset.

    Returns:
        Sentences.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    found = [*_of_weights(model), *_of_inputs(x)]
    with _recorded(model) as outputs, tf.GradientTape() as tape:
        with _carrying(model):
            y_pred = model(x, training=True)
        loss = model.compute_loss(x, y, y_pred, sample_weight, training=True)
    sizes = [f"{name} {_largest(value):.3g}" for name, value in outputs]
    found.append(f"The largest outputs, by layer: {', '.join(sizes)}.")
    for name, value in outputs:
        if place := _place(value):
            return [*found, f"The first output that is no finite number is that of layer {name}, {place}."]
    if not np.isfinite(loss):
        return [*found, f"All layers' outputs are finite numbers, and the loss of them is {float(loss)}."]
    gradients = _gradients(tape, loss, model)
    bad = [name for name, value in gradients.items() if not np.isfinite(value).all()]
    if not bad:
        return [*found, "Computed again, its loss and gradient are finite numbers: chance had a part in it."]
    # The gradient comes from the loss: what is nearest to it failed first.
    rows = _rows(model, x, y, sample_weight)
    return [
        *found,
        f"The loss is {float(loss):.4g}, but its gradient is no finite number for {len(bad)} of {len(gradients)} weights, "
        f"the nearest to the loss being {bad[-1]!r}" + (f"; it fails in rows {rows} of the batch." if rows else "."),
    ]


def _of_weights(model: keras.Model) -> Iterator[str]:
    sizes = {variable.path: _largest(variable) for variable in model.trainable_variables}
    for name, size in sizes.items():
        if not np.isfinite(size):
            yield f"Before the batch the weights {name!r} were no finite numbers already."
            return
    name = max(sizes, key=sizes.get)  # type: ignore[arg-type]
    yield f"Before the batch the largest weight was {sizes[name]:.3g}, in {name!r}."


def _of_inputs(x: Any) -> Iterator[str]:
    for number, value in enumerate(keras.tree.flatten(x)):
        if place := _place(value):
            yield f"Input {number} has a number that is not finite, {place}."


def _place(value: Any) -> str:
    """Where it is in an array (batch, …), or "" if nowhere."""
    value = np.asarray(tf.cast(value, tf.float32))
    if np.isfinite(value).all():
        return ""
    row, *rest = np.argwhere(~np.isfinite(value))[0] if value.ndim else [0]
    if value.ndim == 3:  # (batch, time, features): the earliest step, in whichever row
        row, step, _ = min(np.argwhere(~np.isfinite(value)).tolist(), key=lambda place: place[1])
        return f"in row {row} of the batch at time step {step}"
    return f"in row {row} of the batch"


def _largest(value: Any) -> float:
    value = np.abs(np.asarray(tf.cast(value, tf.float32)))
    return float("nan") if np.isnan(value).any() else float(value.max(initial=0.0))


def _gradients(tape: tf.GradientTape, loss: Any, model: keras.Model) -> dict[str, np.ndarray]:
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    return {v.path: np.asarray(tf.convert_to_tensor(g)) for v, g in zip(variables, gradients) if g is not None}


def _rows(model: keras.Model, *data: Any) -> list[int]:
    """Which rows' gradients, each by itself, are not finite; none, where rows cannot be had by themselves."""
    count = keras.tree.flatten(data[0])[0].shape[0]
    if getattr(model, "stateful", False) or count > _ROWS:
        return []
    failed = []
    for row in range(count):
        x, y, weight = keras.tree.map_structure(lambda value: None if value is None else value[row : row + 1], data)
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y, model(x, training=True), weight, training=True)
        if not all(np.isfinite(value).all() for value in _gradients(tape, loss, model).values()):
            failed.append(row)
    return failed


@contextlib.contextmanager
def _recorded(model: keras.Model) -> Iterator[list[tuple[str, Any]]]:
    """Collects the layers' outputs, by name and number, in the order in which they are computed."""
    outputs: list[tuple[str, Any]] = []

    def recording(layer: keras.layers.Layer) -> Any:
        call = layer.call

        def recorded(*args: Any, **kwargs: Any) -> Any:
            results = call(*args, **kwargs)
            for number, value in enumerate(keras.tree.flatten(results)):
                if value is not None and tf.as_dtype(value.dtype).is_floating:
                    outputs.append((f"{layer.name!r}" + (f" (state {number})" if number else ""), value))
            return results

        return recorded

    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    try:
        for layer in layers:
            vars(layer)["call"] = recording(layer)  # past Keras's tracking
        yield outputs
    finally:
        for layer in layers:
            vars(layer).pop("call", None)


def _carrying(model: keras.Model) -> Any:
    if getattr(model, "stateful", False) and hasattr(model, "_carrying"):
        return model._carrying("carried_states")
    return contextlib.nullcontext()
