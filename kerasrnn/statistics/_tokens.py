"""A stream of text to tokens, whatever the pieces it comes in."""

import string

import numpy as np

_SPACE = ord(" ")
_LOWER = bytes(ord(chr(code).lower()) if chr(code) in string.ascii_letters else _SPACE for code in range(256))


def only_letters(text: str) -> bytes:
    """A to Z in lower case, and a space for each other character."""
    return text.encode("ascii", "replace").translate(_LOWER)


class Characters:
    """Characters as their code points."""

    def __init__(self, letters: bool) -> None:
        self._letters = letters
        self._after_space = False

    def __call__(self, text: str) -> np.ndarray:
        """The next piece's tokens: int64 of shape (length,)."""
        if self._letters and text:
            codes = np.frombuffer(only_letters(text), "uint8")
            spaces = codes == _SPACE
            # One space for a run of them, which may have begun in the piece before.
            repeated = spaces & np.concatenate([[self._after_space], spaces[:-1]])
            self._after_space = bool(spaces[-1])
            return codes[~repeated].astype("int64")
        return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype("int64")

    def unfinished(self) -> np.ndarray:
        """The token that the text ends in, if more text might change it."""
        return np.empty(0, "int64")

    def end(self) -> np.ndarray:
        self._after_space = False
        return self.unfinished()

    def texts(self, ngrams: np.ndarray) -> list[str]:
        """What n-grams look like: token ids of shape (length, order)."""
        return ["".join(map(chr, ngram)) for ngram in ngrams.tolist()]


class Words:
    """Words as numbers in order of appearance: what white space separates."""

    def __init__(self, letters: bool) -> None:
        self._letters = letters
        self._ids = _Ids()
        self._parts: list[str] = []  # of a word whose end has not come yet

    def __call__(self, text: str) -> np.ndarray:
        """The tokens that this piece completes: int64 of shape (length,)."""
        if not text:
            return np.empty(0, "int64")
        if self._letters:
            text = only_letters(text).decode()
        words = text.split()
        if self._parts:
            if text[0].isspace():
                words.insert(0, "")
            self._parts.append(words[0])
            if len(words) == 1 and not text[-1].isspace():
                return np.empty(0, "int64")
            words[0] = "".join(self._parts)
        self._parts = [] if text[-1].isspace() else [words.pop()]
        return np.fromiter(map(self._ids.__getitem__, words), "int64", len(words))

    def unfinished(self) -> np.ndarray:
        """The token that the text ends in, if more text might change it."""
        if not self._parts:
            return np.empty(0, "int64")
        # Not remembered: what is only the beginning of a word is no type.
        return np.array([self._ids.get("".join(self._parts), len(self._ids))])

    def end(self) -> np.ndarray:
        """The last token of a document."""
        return self(" ")

    def texts(self, ngrams: np.ndarray) -> list[str]:
        """What n-grams look like: token ids of shape (length, order)."""
        names = [*self._ids, "".join(self._parts)]
        return [" ".join(map(names.__getitem__, ngram)) for ngram in ngrams.tolist()]


class _Ids(dict[str, int]):
    def __missing__(self, word: str) -> int:
        self[word] = len(self)
        return self[word]
