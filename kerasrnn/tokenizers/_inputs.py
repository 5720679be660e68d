"""What users pass to a tokenizer, as tensors or texts, or a clear error."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from kerasrnn._backend import tf


def string_tensor(inputs: Any) -> tf.Tensor:
    """Returns `inputs`, a text or a batch of texts, as a string tensor of shape () or (batch,)."""
    if isinstance(inputs, str):
        inputs = encoded(inputs, "inputs")
    elif isinstance(inputs, (list, tuple)):
        inputs = [encoded(text, "inputs") for text in inputs]
    try:
        tensor = tf.convert_to_tensor(inputs, tf.string)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"inputs must be a string, a list of strings or a string tensor, but received {inputs!r}."
        ) from error
    if tensor.shape.rank not in (0, 1):
        raise ValueError(
            f"inputs must have the shape () or (batch,), but has the shape {tensor.shape}. "
            "Reshape it: tf.reshape(inputs, [-1])."
        )
    return tensor


def integer_tensor(token_ids: Any) -> tf.Tensor | tf.RaggedTensor:
    """Returns `token_ids` as int32 or int64 of shape (length,) or (batch, length), dense or ragged."""
    nested = isinstance(token_ids, (list, tuple)) and any(
        isinstance(row, (list, tuple, np.ndarray)) for row in token_ids
    )
    tensor = tf.ragged.constant(token_ids) if nested else token_ids
    if not isinstance(tensor, tf.RaggedTensor):
        tensor = tf.convert_to_tensor(tensor)
    if tensor.shape.rank not in (1, 2):
        raise ValueError(
            f"token_ids must have the shape (length,) or (batch, length), but has the shape {tensor.shape}. "
            "For a single id use id_to_token(id)."
        )
    # An empty list has no integers to tell its type by.
    empty = getattr(tensor, "flat_values", tensor).shape.num_elements() == 0
    if not (tensor.dtype.is_integer or empty):
        raise TypeError(
            f"token_ids must be integers, but are {tensor.dtype.name}. Cast them: tf.cast(token_ids, 'int32')."
        )
    return tensor if tensor.dtype in (tf.int32, tf.int64) else tf.cast(tensor, tf.int64)


def texts(data: Any) -> Iterator[str]:
    """Yields each text of `data`: a text, an iterable of texts, a string tensor or a dataset of them."""
    elements: Iterable[Any] = [data] if isinstance(data, (str, bytes)) else data
    if isinstance(data, tf.Tensor):
        elements = np.ravel(data.numpy())
    elif isinstance(data, tf.data.Dataset):
        if getattr(data.element_spec, "dtype", None) != tf.string:
            raise TypeError(
                f"data must be a dataset of string tensors, but its elements are {data.element_spec}. "
                "Select the text: data.map(lambda text, label: text)."
            )
        elements = (text for tensor in data for text in np.ravel(getattr(tensor, "flat_values", tensor)))
    if not isinstance(elements, Iterable):
        raise TypeError(f"data must be a text, an iterable of texts or a dataset of them, but received {data!r}.")
    for text in elements:
        yield text_of(text, "data")


def text_of(text: Any, name: str) -> str:
    """Returns a text or UTF-8 as a string that every implementation reads alike."""
    return encoded(text, name).decode("utf-8", "replace")


def encoded(text: Any, name: str) -> bytes:
    """Returns a text as UTF-8, and bytes as they are."""
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise TypeError(f"{name} must hold strings, but holds {text!r}, of type {type(text).__name__}.")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} holds the lone surrogate {text[error.start]!r} at position {error.start}, which is no character "
            "and has no UTF-8 form. Replace it: text.encode(errors='replace').decode()."
        ) from error
