import math
import numbers
from collections.abc import Iterable, Iterator, Sequence

from kerasrnn.data.documents import Documents


def interleave(sources: Sequence[Iterable[str]], weights: Sequence[float] | None = None, until: str = "all") -> Documents:
    """Mixes several streams of documents into one, in an order that is the same each time.

    No draw is involved. At each step a source's credit grows by its weight; the source with the most credit (the
    first of equals) gives a document and pays the sum of the weights. So each source comes at even distances, and
    among any n documents it has n · weight / Σ weights of them, give or take a few. With equal weights the sources
    take turns. When a source ends, the others go on by their weights.

    Args:
        sources: The streams. Each must start afresh when it is iterated, as `Documents` and lists do.
        weights: How often each source comes, in documents, relative to the others; `None` for equally often.
        until: `"all"`: until all sources have ended. `"first"`: until one has ended, which keeps the mixture even.

    Returns:
        `Documents`, which can be iterated again and again.

    Raises:
        TypeError: If a source is an iterator, which could be read but once, or is a string.
        ValueError: If there are no sources, `weights` are not one positive number each, or `until` is another word.

    Example:

    >>> list(interleave([["a", "b", "c", "d"], ["1", "2"]], weights=[2, 1]))
    ['a', '1', 'b', 'c', '2', 'd']

    Reference: the smooth weighted round robin of nginx (`ngx_http_upstream_round_robin.c`, 2012).
    """
    sources = list(sources)
    if not sources:
        raise ValueError("sources must hold at least one stream of documents, but is empty.")
    for number, source in enumerate(sources):
        if isinstance(source, (str, bytes, Iterator)) or not isinstance(source, Iterable):
            raise TypeError(
                "sources must be streams that can be read again, such as Documents or lists of strings, but source "
                f"{number} is of type {type(source).__name__}. Pass [text] for a single text, list(source) for an iterator."
            )
    shares = [1.0] * len(sources) if weights is None else list(weights)
    if len(shares) != len(sources) or not all(_is_positive(share) for share in shares):
        raise ValueError(f"weights must be {len(sources)} positive numbers, one for each source, but are {weights}.")
    if until not in ("all", "first"):
        raise ValueError(f"until must be 'all' or 'first', but is {until!r}.")

    def read() -> Iterator[str]:
        streams = [iter(source) for source in sources]
        credits = [0.0] * len(streams)
        running = list(range(len(streams)))
        while running:
            for number in running:
                credits[number] += shares[number]
            chosen = max(running, key=credits.__getitem__)
            try:
                document = next(streams[chosen])
            except StopIteration:
                if until == "first":
                    return
                # The step counts for nobody: undone, it is taken again without the source that has ended.
                for number in running:
                    credits[number] -= shares[number]
                running.remove(chosen)
                continue
            credits[chosen] -= sum(shares[number] for number in running)
            yield document

    return Documents(read, f"{len(sources)} sources in turn")


def _is_positive(number: float) -> bool:
    return isinstance(number, numbers.Real) and not isinstance(number, bool) and 0 < number < math.inf
