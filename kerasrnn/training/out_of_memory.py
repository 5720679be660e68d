"""What to lower when memory does not suffice."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from kerasrnn._backend import tf

# In the order in which to try them, and what each does to the result.
_REMEDIES = {
    "batch_size": "lower batch_size",
    "num_steps": "lower num_steps",
    "vocabulary_size": "lower vocabulary_size, or take sampled_softmax",
    "units": "lower units",
    "layers": "lower layers",
}


@contextlib.contextmanager
def advice_on_memory(**settings: Any) -> Iterator[None]:
    """Turns TensorFlow's out-of-memory error into one that says what to lower.

    Args:
        **settings: What was asked for, by name, such as batch_size=32: those that memory depends on are named.

    Raises:
        MemoryError: Where TensorFlow or NumPy found too little memory within the block.

    Example:

    >>> with advice_on_memory(batch_size=4096, units=2000):
    ...     raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[4096,2000]")
    Traceback (most recent call last):
    MemoryError: Memory does not suffice: OOM when allocating tensor with shape[4096,2000]. Lower batch_size (4096), or ...
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        message = getattr(error, "message", str(error)).split("\n")[0]
        raise MemoryError(f"Memory does not suffice: {message}. {_advice(settings)}") from error


def _advice(settings: Mapping[str, Any]) -> str:
    remedies = [f"{text} ({settings[name]})" for name, text in _REMEDIES.items() if settings.get(name) is not None]
    if settings.get("mixed_precision", "") is None:
        remedies.append("train in mixed_bfloat16")
    remedies.append("keep fewer states for the gradient: RNN(checkpoint_steps=…)")
    first, *others = remedies
    return first[0].upper() + first[1:] + "".join(f", or {text}" for text in others) + "."
