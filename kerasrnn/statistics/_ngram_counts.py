"""Counts of n-grams, in sorted arrays that are never changed: more text makes new ones."""

from typing import Self

import numpy as np

DOCUMENT_END = -1
_TOKEN_BITS = 32
_NONE = np.empty(0, "int64")


class Table:
    """How often each code was seen; a code's id is the number of codes known before it.

    Sorted arrays take 24 bytes a code, where a dict of tuples takes eight times as much.
    """

    def __init__(self, codes: np.ndarray = _NONE, ids: np.ndarray = _NONE, counts: np.ndarray = _NONE) -> None:
        self.codes, self.ids, self.counts = codes, ids, counts

    def __len__(self) -> int:
        return len(self.codes)

    def extended(self, codes: np.ndarray) -> Self:
        """A table that has seen these codes too."""
        unique, counts = np.unique(codes, return_counts=True)
        place = np.searchsorted(self.codes, unique)
        known = np.zeros(len(unique), bool)
        within = place < len(self)
        known[within] = self.codes[place[within]] == unique[within]
        old_counts = self.counts.copy()
        old_counts[place[known]] += counts[known]
        new = place[~known]
        return type(self)(
            np.insert(self.codes, new, unique[~known]),
            np.insert(self.ids, new, np.arange(len(self), len(self) + len(new))),
            np.insert(old_counts, new, counts[~known]),
        )

    def ids_of(self, codes: np.ndarray) -> np.ndarray:
        return self.ids[np.searchsorted(self.codes, codes)]

    def codes_of(self, ids: np.ndarray) -> np.ndarray:
        by_id = np.empty_like(self.codes)
        by_id[self.ids] = self.codes
        return by_id[ids]


class NgramCounts:
    """Counts of all n-grams up to an order.

    An n-gram's code is the id of the (n − 1)-gram that it begins with, times 2³², plus its last token id. So any order
    fits in 64 bits, as long as there are fewer than 2³¹ types of each.
    """

    def __init__(self, tables: tuple[Table, ...], last: tuple[int, ...]) -> None:
        self.tables = tables
        # For each order but the highest the id of the n-gram that the text so far ends with, or −1 if it is too short.
        self._last = last

    @classmethod
    def empty(cls, max_order: int) -> Self:
        return cls((Table(),) * max_order, (-1,) * (max_order - 1))

    def extended(self, token_ids: np.ndarray) -> Self:
        """Counts where these tokens, int64 of shape (length,), follow the text so far.

        No n-gram reaches over a DOCUMENT_END among them.
        """
        if not len(token_ids):
            return self
        tables: list[Table] = []
        last: list[int] = []
        prefixes = np.zeros(len(token_ids), "int64")
        for place, table in enumerate(self.tables):
            whole = (prefixes >= 0) & (token_ids != DOCUMENT_END)
            codes = (prefixes[whole] << _TOKEN_BITS) + token_ids[whole]
            tables.append(table.extended(codes))
            if place < len(self._last):
                ids = np.full(len(token_ids), -1)
                ids[whole] = tables[-1].ids_of(codes)
                prefixes = np.append(self._last[place], ids[:-1])
                last.append(int(ids[-1]))
        return type(self)(tuple(tables), tuple(last))

    def token_ids(self, order: int, codes: np.ndarray) -> np.ndarray:
        """The n-grams of these codes: token ids of shape (length, order)."""
        columns = []
        for table in reversed(self.tables[: order - 1]):
            columns.append(codes & (2**_TOKEN_BITS - 1))
            codes = table.codes_of(codes >> _TOKEN_BITS)
        return np.stack([codes, *reversed(columns)], axis=1)

    def contexts(self, order: int) -> np.ndarray:
        """The codes' prefixes: which (order − 1)-gram each n-gram of the table begins with, sorted."""
        return self.tables[order - 1].codes >> _TOKEN_BITS
