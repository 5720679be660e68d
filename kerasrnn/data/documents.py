from collections.abc import Callable, Iterable, Iterator


class Documents(Iterable[str]):
    """A stream of documents that starts afresh each time it is iterated.

    The readers of this package return one. Nothing is read before it is iterated, and no more than a few documents
    are held at a time, so a corpus may be larger than memory; and because it can be iterated again, one object serves
    both `tokenizer.adapt(documents)` and what follows. As a dataset:
    `tf.data.Dataset.from_generator(documents.__iter__, output_signature=tf.TensorSpec((), tf.string))`.

    Args:
        read: Starts the stream: returns an iterator of strings, the same ones at each call.
        description: What the documents are, for `repr`.

    Example:

    >>> documents = Documents(lambda: iter(["Call me Ishmael.", "Some years ago"]), "two openings")
    >>> documents
    Documents(two openings)
    >>> [len(document) for document in documents], sum(1 for _ in documents)
    ([16, 14], 2)
    """

    def __init__(self, read: Callable[[], Iterator[str]], description: str = "...") -> None:
        if not callable(read):
            raise TypeError(
                f"read must be a function that returns an iterator, but is {read!r}. For a list: lambda: iter(texts)."
            )
        self._read = read
        self._description = description

    def __iter__(self) -> Iterator[str]:
        return self._read()

    def __repr__(self) -> str:
        return f"Documents({self._description})"
