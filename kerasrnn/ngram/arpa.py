import os
from typing import NoReturn

import numpy as np

from kerasrnn.ngram import _arpa
from kerasrnn.ngram._counts import Counts
from kerasrnn.ngram._interpolation import Interpolation
from kerasrnn.ngram._trie import Trie
from kerasrnn.ngram.model import NgramModel
from kerasrnn.tokenizers import Tokenizer
from kerasrnn.tokenizers.token_ids import TextOrTokenIds


class ArpaModel(NgramModel):
    """A count-based model read from an ARPA file, of `write_arpa` or of another program: kenlm, SRILM.

    p(w | c) = 10^(the file's figure for c, w), where it has one
    p(w | c) = 10^(the file's back-off of c, or 0) · p(w | c without its first token), where it has none

    Args:
        path: The file.
        tokenizer: The tokenizer whose vocabulary the file's words are, as `write_arpa` wrote them. Without it texts are
            token ids: places in `words`.

    Attributes:
        words: The file's words; a word's place is its token id.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no ARPA file or a part of one, it holds a probability above 1 or what is no number (with the
            line), or its words are not the tokenizer's.

    Example:

    >>> from kerasrnn.ngram import MarkovModel
    >>> MarkovModel(order=2, vocabulary_size=3).fit([1, 2, 1, 2, 1]).write_arpa("bigrams.arpa")
    >>> model = ArpaModel("bigrams.arpa")
    >>> model.words
    ['<s>', '1', '2']
    >>> model.probabilities([1]).round(4).tolist()
    [0.2, 0.2, 0.6]

    Reference:
        Stolcke, 2002, "SRILM: an extensible language modeling toolkit".
    """

    def __init__(self, path: str | os.PathLike[str], tokenizer: Tokenizer | None = None) -> None:
        names = None
        if tokenizer is not None:
            ends = [] if tokenizer.end_token_id is None else [tokenizer.end_token_id]
            special = (tokenizer.start_token_id, tokenizer.unknown_token_id, ends)
            names = _arpa.token_names(tokenizer.get_vocabulary(), *special)
        file = _arpa.Reader(path, names)
        self.words = file.words
        if len(file.sections[0][0]) != len(self.words) or len({*file.sections[0][0][:, 0].tolist()}) != len(self.words):
            raise ValueError(
                f"path {file.path!r} must hold each token of the vocabulary once among its 1-grams, {len(self.words)}, "
                f"but holds {len(file.sections[0][0])}. Is it of another tokenizer?"
            )
        if tokenizer is None:
            places = {word: place for place, word in enumerate(self.words)}
            start, unknown = places.get(_arpa.START, 0), places.get(_arpa.UNKNOWN)
            super().__init__(len(file.sections), None, len(self.words), start, unknown)
        else:
            super().__init__(len(file.sections), tokenizer)
        self._interpolation = _interpolation(file)

    def interpolate(self, counts: Counts) -> NoReturn:
        raise ValueError("An ArpaModel has its probabilities from a file: use KneserNeyModel or another to fit a text.")

    def fit(self, text: TextOrTokenIds) -> NoReturn:
        self.interpolate(None)

    def save(self, path: str | os.PathLike[str]) -> NoReturn:
        raise ValueError("An ArpaModel has no counts to save: use write_arpa.")

    def write_arpa(self, path: str | os.PathLike[str]) -> None:
        _arpa.write(path, self._fitted, self.words)


def _interpolation(file: _arpa.Reader) -> Interpolation:
    size = len(file.words)
    keys: list[np.ndarray] = []
    places = [np.zeros(1, "int64"), np.argsort(file.sections[0][0][:, 0])]
    for length, (ids, _, _) in enumerate(file.sections[1:], 2):
        trie = Trie(size, keys)
        prefixes = ids[:, 0]
        for shorter in range(2, length):
            prefixes = trie.find(shorter, prefixes, ids[:, shorter - 1])
        _check_parts(file, length, prefixes)
        unsorted = prefixes * size + ids[:, -1]
        places.append(np.argsort(unsorted))
        keys.append(unsorted[places[-1]])
        if np.any(np.diff(keys[-1]) == 0):
            raise ValueError(f"path {file.path!r} must hold each {length}-gram once, but repeats one. Write it again.")
    trie = Trie(size, keys)
    shares, rests, probabilities = [None], [None, np.zeros(1)], [np.zeros(1)]
    for length, (_, logarithms, backoffs) in enumerate(file.sections, 1):
        place = places[length]
        _check_parts(file, length, trie.suffixes[length])
        rest = rests[length][trie.prefixes(length)]
        probabilities.append(10.0 ** logarithms[place])
        shares.append(probabilities[-1] - rest * probabilities[-2][trie.suffixes[length]])
        rests.append(10.0 ** backoffs[place])
    return Interpolation(trie, shares, rests[:-1])


def _check_parts(file: _arpa.Reader, length: int, ids: np.ndarray) -> None:
    missing = np.flatnonzero(ids < 0)
    if missing.size:
        words = " ".join(file.words[word] for word in file.sections[length - 1][0][missing[0]])
        raise ValueError(
            f"path {file.path!r} must hold, of each {length}-gram, the part without its first or last word too, but of "
            f"{words!r} it does not. Write the file without pruning."
        )
