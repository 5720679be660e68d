"""The ARPA format: a line for each token sequence, with log₁₀ of its probability and of its context's rest."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NoReturn

import numpy as np

from kerasrnn._files import write_stream
from kerasrnn.ngram._interpolation import Interpolation
from kerasrnn.ngram._trie import Trie

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
ROUNDED_ONE = 1e-5  # log₁₀ of the largest probability, as programs round it
LARGEST = 308.0  # log₁₀ of the largest back-off that is a number
IMPOSSIBLE = -99.0  # what the format's programs write for a probability of 0


def token_names(
    tokens: list[str], start_token_id: int, unknown_token_id: int | None, end_token_ids: Sequence[int] = ()
) -> list[str]:
    """How each token is written: distinct strings without white space."""
    names = [_escape(token) for token in tokens]
    if unknown_token_id is not None:
        names[unknown_token_id] = UNKNOWN
    names[start_token_id] = START
    for id in end_token_ids:
        names[id] = END
    return names


def _escape(token: str) -> str:
    if token in ("", START, END, UNKNOWN):
        return "\\" + token
    return "".join(
        character.encode("unicode_escape").decode().replace(" ", "\\x20")
        if character == "\\" or character.isspace() or not character.isprintable()
        else character
        for character in token
    )


def write(path: str | os.PathLike[str], model: Interpolation, names: list[str]) -> None:
    probabilities = model.of_sequences()
    rests = model.rests[1:]
    if any(not values.all() for values in [*probabilities, *rests, np.array(model.rest_of_unseen)]):
        raise ValueError(
            "An ARPA file needs a model that holds every token to be possible, but by this one some are not. "
            "Smooth its counts, as MarkovModel(smoothing=1e-3) or KneserNeyModel does."
        )

    def lines(file: BinaryIO) -> None:
        file.writelines(line.encode() for line in _lines(model.trie, probabilities, rests, names))

    write_stream(path, lines)


def _lines(trie: Trie, probabilities: list[np.ndarray], rests: list[np.ndarray], names: list[str]) -> Iterator[str]:
    yield "\\data\\\n"
    for length in range(1, trie.order + 1):
        yield f"ngram {length}={trie.size(length) + (length == 1 and END not in names)}\n"  # and </s>
    written = [""]
    for length in range(1, trie.order + 1):
        yield f"\n\\{length}-grams:\n"
        if length == 1 and END not in names:
            # kenlm refuses files without it.
            yield f"{IMPOSSIBLE:g}\t{END}" + ("\t0\n" if trie.order > 1 else "\n")
        parts = zip(trie.prefixes(length).tolist(), trie.last_tokens(length).tolist())
        written = [f"{written[prefix]} {names[token]}".lstrip() for prefix, token in parts]
        values = np.log10(probabilities[length]).tolist()
        if length == trie.order:
            yield from (f"{value:.10g}\t{words}\n" for value, words in zip(values, written))
        else:
            logarithms = np.log10(rests[length]).tolist()
            yield from (f"{v:.10g}\t{words}\t{rest:.10g}\n" for v, words, rest in zip(values, written, logarithms))
    yield "\n\\end\\\n"


class Reader:
    """An ARPA file's sections, each with its words as ids.

    Attributes:
        words: The names of the tokens; a token's id is its place there.
        sections: For each length from 1 on: ids (sequences, length), log₁₀ of the probabilities and of the rests.
    """

    def __init__(self, path: str | os.PathLike[str], words: list[str] | None = None) -> None:
        self.path = os.fspath(path)
        with open(path, encoding="utf-8", newline="\n") as file:
            self._lines = enumerate(file, 1)
            sizes = self._sizes()
            self.words = [] if words is None else words
            self._ids = {word: place for place, word in enumerate(self.words)}
            self.sections = [self._section(length, size, words is None) for length, size in enumerate(sizes, 1)]
            number, line = self._next()
            if line != "\\end\\":
                self._fail(number, "\\end\\", line)

    def _next(self) -> tuple[int, str]:
        """The next line that is not blank, and its number."""
        number = 0
        for number, line in self._lines:
            if line.strip(" \r\n"):
                return number, line.strip(" \r\n")
        self._fail(number, "another line", "the end of the file")

    def _fail(self, number: int, expected: str, found: str) -> NoReturn:
        raise ValueError(
            f"path {self.path!r} must be a whole ARPA file, but where line {number} should hold {expected}, there is "
            f"{found[:80]!r}. Write it again."
        )

    def _sizes(self) -> list[int]:
        number, line = self._next()
        while line != "\\data\\":
            number, line = self._next()
        sizes: list[int] = []
        while True:
            number, line = self._next()
            if line == "\\1-grams:" and sizes:
                return sizes
            match = re.fullmatch(r"ngram +(\d+) *= *(\d+)", line)
            if match is None or int(match[1]) != len(sizes) + 1:
                self._fail(number, f"ngram {len(sizes) + 1}=<number>", line)
            sizes.append(int(match[2]))

    def _section(self, length: int, size: int, new_words: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if length > 1:
            number, line = self._next()
            if line != f"\\{length}-grams:":
                self._fail(number, f"\\{length}-grams:", line)
        ids, logarithms, rests = [], [], []
        for _ in range(size):
            number, line = self._next()
            fields = re.split("[\t ]+", line)
            if len(fields) not in (length + 1, length + 2):
                self._fail(number, f"log10(p), {length} words and perhaps a back-off", line)
            words = fields[1 : length + 1]
            try:
                values = float(fields[0]), float(fields[length + 1]) if len(fields) == length + 2 else 0.0
            except ValueError:
                self._fail(number, "numbers before and after the words", line)
            if not values[0] <= ROUNDED_ONE:
                self._fail(number, "a log10(p) of at most 0", line)
            if not values[1] < LARGEST:
                self._fail(number, f"a back-off below {LARGEST:g}, a logarithm too", line)
            if length == 1 and words == [END] and values[0] <= IMPOSSIBLE:
                continue
            if length == 1 and new_words:
                self._ids[words[0]] = len(self.words)
                self.words.append(words[0])
            if not all(word in self._ids for word in words):
                self._fail(number, "words of the vocabulary", line)
            ids.append([self._ids[word] for word in words])
            logarithms.append(values[0])
            rests.append(values[1])
        return np.array(ids, "int64").reshape(-1, length), np.array(logarithms), np.array(rests)
