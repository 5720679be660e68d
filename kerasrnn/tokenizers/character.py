import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.tokenizers._code_points import CodePointTable, code_points_of, lower_case
from kerasrnn.tokenizers._counting import count_tokens, most_frequent
from kerasrnn.tokenizers._normalization import check_normalization, normalized
from kerasrnn.tokenizers.tokenizer import Tokenizer

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LETTER_OR_GAP = re.compile("[A-Za-z]|[^A-Za-z]+")


@keras.saving.register_keras_serializable(package="kerasrnn")
class CharTokenizer(Tokenizer):
    r"""Text to token ids and back, one token per Unicode code point.

    The vocabulary is a list of characters, and a token's id is its place there. Id 0 is the unknown token. `adapt`
    puts the start token and all characters it saw after it, sorted by code point. Invalid UTF-8 decodes to U+FFFD,
    which is the default unknown token. `detokenize(tokenize(x)) == x` for all texts of known characters, as far as
    the options leave them alone.

    `tokenize` and `detokenize` are made of core TensorFlow operations without lookup tables: they work eagerly,
    in `tf.data` pipelines and in exported graphs. Only a normalization needs tensorflow-text in graphs, and has no
    ONNX form.

    Args:
        vocabulary: List of distinct characters in any order, but the unknown token first and the start token among
            them. If it is left out, call `adapt`. With a padding token, that one first and the unknown token second.
        unknown_token: The character that stands for every character outside the vocabulary.
        start_token: The character that every text is taken to follow: generation and scoring begin from it. Newline,
            or a space with `standardize="letters"`, if left out.
        normalization: "NFC" or "NFKC", the Unicode normalization form that texts are brought to first; None leaves
            them as they are.
        lowercase: Whether to take each code point's simple lower case: the one that is a single code point.
        standardize: "letters" for the normalization of Dive into Deep Learning: each run of anything but A to Z
            and a to z becomes one space, and letters become lower case. None keeps all characters.
        min_frequency: How often a character must occur for `adapt` to take it.
        max_vocabulary_size: The largest vocabulary that `adapt` makes, unknown and start token included: the most
            frequent characters. None sets no limit.
        end_token, padding_token: Tokens that no text holds, of any number of characters, as in `Tokenizer`; None for none.

    Raises:
        ValueError: If the vocabulary or an option is not as above.
        TypeError: If a token is not a string.

    Example:

    >>> tokenizer = CharTokenizer()
    >>> tokenizer.adapt("abc")
    >>> tokenizer.get_vocabulary()
    ['�', '\n', 'a', 'b', 'c']
    >>> tokenizer.tokenize("cab!").numpy().tolist()
    [4, 2, 3, 0]
    >>> tokenizer.tokenize(["a", "bc"]).to_list()
    [[2], [3, 4]]
    >>> tokenizer.detokenize([4, 2, 3, 0]).numpy().decode()
    'cab�'
    >>> letters = CharTokenizer(standardize="letters")
    >>> letters.adapt("The Time Machine")
    >>> letters.detokenize(letters.tokenize("Th' Machine?!")).numpy().decode()
    'th machine '

    Reference: Zhang et al., Dive into Deep Learning, section "Converting Raw Text into Sequence Data" (for "letters").
    """

    def __init__(
        self,
        vocabulary: Sequence[str] | None = None,
        unknown_token: str = "\ufffd",
        start_token: str | None = None,
        normalization: str | None = None,
        lowercase: bool = False,
        standardize: str | None = None,
        min_frequency: int = 1,
        max_vocabulary_size: int | None = None,
        end_token: str | None = None,
        padding_token: str | None = None,
    ) -> None:
        if standardize not in (None, "letters"):
            raise ValueError(f'standardize must be None or "letters", but is {standardize!r}.')
        self.normalization = check_normalization(normalization)
        self.lowercase, self.standardize = bool(lowercase), standardize
        self.min_frequency, self.max_vocabulary_size = min_frequency, max_vocabulary_size
        if start_token is None:
            start_token = " " if standardize == "letters" else "\n"
        super().__init__(vocabulary, unknown_token, start_token, end_token, padding_token)

    def adapt(
        self, data: str | bytes | Iterable[str | bytes] | tf.Tensor | tf.data.Dataset, verbose: int | bool = 0
    ) -> None:
        """Replaces the vocabulary by the characters of `data`, in memory proportional to the vocabulary.

        Args:
            data: A text, an iterable of texts, a string tensor, or a `tf.data.Dataset` of string tensors. Bytes are
                UTF-8. It is read once, text by text.
            verbose: 0 is silent; 1 shows a progress bar over the texts.
        """
        special = {self.unknown_token, self.start_token} | ({" "} if self.standardize else set())
        counts = count_tokens(data, self._standardized, verbose)
        controls = self._control_tokens
        for token in [*special, *controls]:
            counts.pop(token, None)
        number = None if self.max_vocabulary_size is None else self.max_vocabulary_size - len(special) - len(controls)
        characters = special.union(most_frequent(counts, self.min_frequency, number)) - {self.unknown_token}
        first = [self.padding_token, self.unknown_token, self.end_token]
        self._set_vocabulary([*(token for token in first if token is not None), *sorted(characters)])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "normalization": self.normalization,
            "lowercase": self.lowercase,
            "standardize": self.standardize,
            "min_frequency": self.min_frequency,
            "max_vocabulary_size": self.max_vocabulary_size,
        }

    def specification(self) -> dict[str, Any]:
        """Returns all that another implementation must know, as plain JSON types.

        Its `aliases` are the characters that stand for another: with `lowercase`, the upper case of those known.
        """
        return {**super().specification(), "aliases": {chr(one): chr(other) for one, other in self._aliases().items()}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CharTokenizer":
        return cls(**{name: value for name, value in config.items() if name != "aliases"})

    def _set_vocabulary(self, vocabulary: Sequence[str]) -> None:
        super()._set_vocabulary(vocabulary)
        tokens = self.get_vocabulary()
        special = [self.unknown_token, self.start_token, *self._control_tokens]
        changed = [token for token in tokens if token not in special and self._standardized(token) != token]
        if changed or (self.standardize and " " not in tokens):
            self._vocabulary = None
            what = f"but holds {changed[0]!r}. Remove it." if changed else "but lacks the space. Add it."
            raise ValueError(
                f"vocabulary must hold characters as normalization, lowercase and standardize leave them, {what}"
            )
        controls = self._control_tokens
        ids = {ord(token): id for token, id in self._ids.items() if token not in controls}
        ids |= {code_point: ids[other] for code_point, other in self._aliases().items()}
        default = self.unknown_token_id
        if self.standardize:
            ids = {ord(letter): ids.get(ord(letter), default) for letter in _LETTERS}
            default = self._ids[" "]
        self._code_points = np.array([0 if token in controls else ord(token) for token in tokens], "int32")
        self._id_table = CodePointTable(ids, default)

    def _aliases(self) -> dict[int, int]:
        if not (self.lowercase or self.standardize):
            return {}
        possible = {ord(letter): ord(letter.lower()) for letter in _LETTERS[:26]} if self.standardize else lower_case()
        known = self._ids.keys() - {*self._control_tokens}
        return {code_point: other for code_point, other in possible.items() if chr(other) in known}

    def _tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        if self.normalization is not None:
            texts = normalized(texts, self.normalization)
        code_points = code_points_of(texts)
        token_ids = code_points.with_values(self._id_table(code_points.values))
        if not self.standardize:
            return token_ids
        return _without_repeated(token_ids, self._ids[" "])

    def _detokenize(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        code_points = tf.ragged.map_flat_values(lambda ids: tf.gather(self._code_points, ids), token_ids)
        return tf.strings.unicode_encode(code_points, "UTF-8")

    def _standardized(self, text: str) -> str:
        if self.normalization is not None:
            text = unicodedata.normalize(self.normalization, text)
        if self.standardize:
            return re.sub("[^A-Za-z]+", " ", text).lower()
        return text.translate(lower_case()) if self.lowercase else text

    def _spans(self, text: str) -> Any:
        if self.normalization is not None and unicodedata.normalize(self.normalization, text) != text:
            raise ValueError(
                f"text must be in the form {self.normalization} already, so that its tokens are where its characters are. "
                f"Normalize it: unicodedata.normalize({self.normalization!r}, text)."
            )
        if self.standardize:
            return [match.span() for match in _LETTER_OR_GAP.finditer(text)]
        return np.arange(len(text))[:, None] + np.arange(2)

    def _check_token(self, token: Any, name: str) -> str:
        if not isinstance(token, str):
            raise TypeError(f"{name} must be made of one-character strings, but received {token!r}.")
        if len(token) != 1 or "\ud800" <= token <= "\udfff":
            raise ValueError(
                f"{name} must be made of strings of one character, a Unicode code point but no surrogate, "
                f"but received {token!r}."
            )
        return token


def _without_repeated(token_ids: tf.RaggedTensor, repeated_id: int) -> tf.RaggedTensor:
    """Takes each run of one id, in a row, as one."""
    is_id = token_ids.values == repeated_id
    number = tf.size(is_id)
    repeats = tf.concat([[False], is_id[1:] & is_id[:-1], [False]], axis=0)[: number + 1]
    starts = token_ids.row_splits[:, None]
    is_token = tf.tensor_scatter_nd_update(~repeats, starts, tf.ones_like(starts[:, 0], tf.bool))[:number]
    kept = tf.concat([[0], tf.cumsum(tf.cast(is_token, tf.int64))], axis=0)
    return tf.RaggedTensor.from_row_splits(
        tf.boolean_mask(token_ids.values, is_token), tf.gather(kept, token_ids.row_splits), validate=False
    )
