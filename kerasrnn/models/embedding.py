"""How wide the embedding of a language model is."""

from collections.abc import Sequence
from typing import Any


def embedding_width(embedding: Any, cells: Sequence[Any], tied: bool) -> int:
    """The width that is asked for, or that fits the cells.

    Args:
        embedding: a positive integer; None for the first cell's output size, or if tied the last one's.
        cells: the model's cells, each with its `output_size`.
        tied: whether the embedding is the output layer too.

    Raises:
        ValueError: it is no positive integer, or cannot be tied to the last cell's output.
    """
    last = cells[-1].output_size
    if embedding is None:
        embedding = last if tied else cells[0].output_size
    if isinstance(embedding, bool) or not hasattr(embedding, "__index__") or embedding < 1:
        raise ValueError(f"embedding: expected a positive integer, None or 'one_hot'; received {embedding!r}")
    if tied and embedding != last:
        raise ValueError(
            f"tie_embeddings=True needs an embedding as wide as the last cell's output, {last}; "
            f"received embedding={embedding}"
        )
    return int(embedding)
