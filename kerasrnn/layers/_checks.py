"""What a recurrent layer refuses when it is called, in words."""

from typing import Any

from kerasrnn._backend import keras, tf


def check_sequences(sequences: Any) -> None:
    """Raises a ValueError where no recurrent layer can read them."""
    if isinstance(sequences, (tf.RaggedTensor, tf.SparseTensor)):
        raise ValueError(
            f"sequences: expected a dense tensor (batch, time, features); received a {type(sequences).__name__}. Pad rows to one "
            "length, as with sequences.to_tensor(), and mark the padding by keras.layers.Masking or the argument mask"
        )
    _check_number("sequences", sequences)


def check_call(layer: Any, sequences: Any, initial_state: Any, mask: Any) -> None:
    """Raises a ValueError that names the argument, what was expected and what came."""
    if len(sequences.shape) != 3:
        raise ValueError(f"sequences: expected shape (batch, time, features); received {tuple(sequences.shape)}")
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


def of_expected_rows(layer: Any, sequences: Any) -> Any:
    """The sequences of a stateful layer, sure to have as many rows as its states.

    A static number of rows is checked by Keras; here it is what only a running graph knows, as of the last batch of an epoch.
    """
    if not _rows_wait_for_data(layer, sequences):
        return sequences
    expected = layer._expected_batch_size
    message = (
        f"sequences: expected {expected} rows, as {layer.name} is stateful and was built for them; received another number. "
        "Leave the last, shorter batch of a dataset out (drop_remainder=True), or choose a batch_size that divides the rows"
    )
    with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(sequences)[0], expected, message)]):
        return tf.identity(sequences)


def results_of_rows(layer: Any, sequences: Any, results: Any) -> Any:
    """Results of a stateful layer whose number of rows is the sequences', not a constant known from its states.

    With a constant, the gradient of the loss compares it with the targets before the sequences are checked, and fails first.
    """
    if not _rows_wait_for_data(layer, sequences):
        return results
    rows = tf.shape(sequences)[0]
    return keras.tree.map_structure(lambda result: result[:rows], results)


def _rows_wait_for_data(layer: Any, sequences: Any) -> bool:
    return layer.stateful and getattr(layer, "_expected_batch_size", None) is not None and sequences.shape[0] is None


def _check_number(name: str, value: Any) -> None:
    dtype = tf.as_dtype(value.dtype)
    if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        raise ValueError(f"{name}: expected real numbers or booleans; received dtype {dtype.name}")
