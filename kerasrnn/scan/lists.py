"""Sequences as lists of their steps: what the loops of a scan read from and write to, of any length, 0 included."""

from typing import Any

from kerasrnn._backend import tf


def empty_list(sequence: Any, size: Any, width: int | None = None) -> tf.TensorArray:
    """A list of `size` elements like those of `sequence` (or of another width), to be written."""
    return tf.TensorArray(sequence.dtype, size, element_shape=_element_shape(sequence, width)[1])


def unstacked(sequence: Any) -> tf.TensorArray:
    """The list of a sequence's elements. Under XLA it is the sequence itself, and writing to it costs no memory."""
    return tf.TensorArray(sequence.dtype, size=tf.shape(sequence)[0], element_shape=sequence.shape[1:]).unstack(sequence)


def stacked(array: tf.TensorArray, sequence: Any, width: int | None = None) -> Any:
    """The sequence of a list's elements, which are like those of `sequence` (or of another width)."""
    shape, static = _element_shape(sequence, width)
    # Not TensorArray.stack, which fails on a list of no elements where an element's size is dynamic.
    elements = tf.raw_ops.TensorListStack(
        input_handle=array.flow, element_shape=shape, element_dtype=array.dtype, num_elements=-1
    )
    return tf.ensure_shape(elements, (None, *static))


def _element_shape(sequence: Any, width: int | None) -> tuple[Any, tf.TensorShape]:
    width = width or sequence.shape[-1]
    return tf.concat([tf.shape(sequence)[1:-1], [width]], axis=0), sequence.shape[1:-1].concatenate(width)
