"""What a recurrent layer refuses when it is called, in words."""

from typing import Any

from kerasrnn._backend import keras, tf


def check_call(layer: Any, sequences: Any, initial_state: Any, mask: Any) -> None:
    """Raises a ValueError that names the argument, what was expected and what came."""
    batch, steps, features = sequences.shape
    kernel = getattr(layer.cell, "kernel", None)  # a cell that builds and projects in its own way may have none
    expected = features if kernel is None else kernel.shape[0]
    if features != expected:
        raise ValueError(f"sequences: expected {expected} features, as the layer was built for; received {features}")
    if mask is not None:
        mask = keras.tree.flatten(mask)[0]
        _check_number("mask", mask)
        if not tf.TensorShape((batch, steps)).is_compatible_with(mask.shape):
            raise ValueError(f"mask: expected shape (batch, time), here {(batch, steps)}; received {tuple(mask.shape)}")
    if initial_state is not None:
        given, sizes = keras.tree.flatten(initial_state), layer.state_size
        for state in given:
            _check_number("initial_state", state)
        if len(given) != len(sizes) or not all(
            tf.TensorShape((batch, size)).is_compatible_with(state.shape) for size, state in zip(sizes, given)
        ):
            raise ValueError(
                f"initial_state: expected {len(sizes)} of shapes {[(batch, size) for size in sizes]}; "
                f"received {[tuple(s.shape) for s in given]}"
            )


def _check_number(name: str, value: Any) -> None:
    dtype = tf.as_dtype(value.dtype)
    if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        raise ValueError(f"{name}: expected real numbers or booleans; received dtype {dtype.name}")
