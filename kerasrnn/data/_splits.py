"""Where train ends and validation begins: by share of the characters, or by number of documents."""

import bisect
import itertools
import math
import numbers

import numpy as np

Shares = tuple[float, float, float]
Counts = tuple[int | None, int | None, int | None]


def check_shares(splits: Shares) -> None:
    if np.shape(splits) != (3,) or min(splits) < 0 or not math.isclose(sum(splits), 1, abs_tol=1e-6):
        raise ValueError(
            "splits must be three shares (train, validation, test), each 0 or more, that sum to 1, "
            f"but are {splits}. A share may be 0: (0.9, 0.1, 0). For numbers of documents pass counts instead."
        )


def shares_of_text(text: str, splits: Shares) -> tuple[str, str, str]:
    """The text in three, cut wherever the shares end."""
    first = round(splits[0] * len(text))
    second = round((splits[0] + splits[1]) * len(text))
    return text[:first], text[first:second], text[second:]


def by_shares(texts: list[str], splits: Shares) -> list[list[str]]:
    """The texts in three, each whole and where its middle falls."""
    # Rounding, or a last text without characters, must not reach a part whose share is 0.
    last = max(part for part in range(3) if splits[part] > 0)
    bounds = list(itertools.accumulate(splits))[:last]
    parts: list[list[str]] = [[], [], []]
    total, position = sum(map(len, texts)), 0
    for text in texts:
        parts[bisect.bisect_right(bounds, (position + len(text) / 2) / total)].append(text)
        position += len(text)
    return parts


def by_counts(texts: list[str], counts: Counts) -> list[list[str]]:
    """The texts in three, so many in each."""
    given = [count for count in counts if count is not None] if isinstance(counts, (tuple, list)) else []
    whole = all(isinstance(n, numbers.Integral) and not isinstance(n, bool) and n >= 0 for n in given)
    if len(given) < 2 or len(counts) != 3 or not whole:
        raise ValueError(
            "counts must be three whole numbers of documents (train, validation, test), one of which may be None for the "
            f"rest, but are {counts!r}. For shares pass splits instead."
        )
    rest = len(texts) - sum(given)
    if rest < 0 or (rest > 0 and len(given) == 3):
        raise ValueError(
            f"counts must share out the documents, of which there are {len(texts):,}, but {counts} are {sum(given):,}. "
            "Write None for the part that takes the rest."
        )
    numbers_of = [rest if count is None else count for count in counts]
    stream = iter(texts)
    return [list(itertools.islice(stream, number)) for number in numbers_of]
