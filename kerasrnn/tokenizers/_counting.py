"""How often each token occurs in a stream of texts, and which of them a vocabulary takes."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from kerasrnn._backend import keras, tf
from kerasrnn.tokenizers._inputs import texts


def count_tokens(data: Any, tokens_of: Callable[[str], Iterable[str]], verbose: int | bool) -> Counter[str]:
    """Counts the tokens of each text of `data`, whose texts may be more than memory holds."""
    progress = keras.utils.Progbar(_number_of_texts(data), unit_name="text", verbose=int(verbose))
    counts: Counter[str] = Counter()
    number = 0
    for number, text in enumerate(texts(data), start=1):
        counts.update(tokens_of(text))
        if verbose:
            progress.update(number, finalize=False)
    if verbose and number:
        progress.update(number, finalize=True)
    return counts


def _number_of_texts(data: Any) -> int | None:
    if isinstance(data, (str, bytes)):
        return 1
    if isinstance(data, tf.data.Dataset):
        is_one_each = getattr(getattr(data.element_spec, "shape", None), "rank", None) == 0
        return int(data.cardinality()) if is_one_each and data.cardinality() >= 0 else None
    return len(data) if isinstance(data, (list, tuple)) else None


def most_frequent(counts: Counter[str], minimum: int, number: int | None) -> list[str]:
    """Returns the tokens that occur `minimum` times or more, the most frequent first, equals in code point order."""
    frequent = (token for token, count in counts.items() if count >= minimum)
    tokens = sorted(frequent, key=lambda token: (-counts[token], token))
    return tokens if number is None else tokens[: max(number, 0)]
