"""What to lower when memory does not suffice."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kerasrnn._backend import tf
from kerasrnn.models.recipe import CELLS

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


def check_memory(recipe: Any, vocabulary_size: int) -> None:
    """Checks, before a model is built, that its weights and as much again for their gradient can find room.

    TensorFlow ends the process where an initializer finds none.

    Raises:
        MemoryError: They cannot.
    """
    first = recipe.embedding if isinstance(recipe.embedding, int) else recipe.units
    widths = [recipe.units] * recipe.layers
    if recipe.tie_embeddings and isinstance(recipe.embedding, int):
        widths[-1] = recipe.embedding
    inputs = [vocabulary_size if recipe.embedding == "one_hot" else first, *widths[:-1]]
    recurrent = 0 if recipe.cell == "min_gru" else 1
    of_cells = sum(width * (before + recurrent * width) for width, before in zip(widths, inputs, strict=True))
    needed = 2 * 4 * (len(CELLS[recipe.cell].gates) * of_cells + vocabulary_size * widths[-1])
    free = _available_bytes()
    if needed > free:
        raise MemoryError(f"the weights and their gradient take {needed / 2**30:,.1f} GiB at least, of {free / 2**30:,.1f} GiB")


def _available_bytes() -> float:
    """What the process may still take: of the machine, of its control group, and of its own limit."""
    found = [math.inf]
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {name: 1024 * int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        found.append(sizes["MemAvailable"] + sizes["SwapFree"])
    with contextlib.suppress(OSError, ValueError):  # "max" is no number
        group = Path("/sys/fs/cgroup")
        found.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    with contextlib.suppress(ImportError, OSError, ValueError, IndexError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            found.append(limit - int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize())
    return min(found)


def _advice(settings: Mapping[str, Any]) -> str:
    remedies = [f"{text} ({settings[name]})" for name, text in _REMEDIES.items() if settings.get(name) is not None]
    if settings.get("mixed_precision", "") is None:
        remedies.append("train in mixed_bfloat16")
    remedies.append("keep fewer states for the gradient: RNN(checkpoint_steps=…)")
    first, *others = remedies
    return first[0].upper() + first[1:] + "".join(f", or {text}" for text in others) + "."
