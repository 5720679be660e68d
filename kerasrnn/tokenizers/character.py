import json
import os
import pathlib
import uuid
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Self

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.tokenizers._inputs import integer_tensor, string_tensor, texts

SPECIFICATION_VERSION = 1


@keras.saving.register_keras_serializable(package="kerasrnn")
class CharTokenizer:
    r"""Text to token ids and back, one token per Unicode code point.

    The vocabulary is a list of characters, and a token's id is its place there. Id 0 is the unknown token. `adapt`
    puts the start token and all characters it saw after it, sorted by code point. Invalid UTF-8 decodes to U+FFFD,
    which is the default unknown token.

    `tokenize` and `detokenize` are made of core TensorFlow operations without lookup tables: they work eagerly,
    in `tf.data` pipelines and in exported graphs.

    Args:
        vocabulary: List of distinct characters in any order, but the unknown token first and the start token among
            them. If it is left out, call `adapt`.
        unknown_token: The character that stands for every character outside the vocabulary.
        start_token: The character that every text is taken to follow: generation and scoring begin from it.

    Raises:
        ValueError: If the vocabulary is not as above.
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
    """

    def __init__(
        self, vocabulary: Sequence[str] | None = None, unknown_token: str = "\ufffd", start_token: str = "\n"
    ) -> None:
        self.unknown_token = _check_character(unknown_token, "unknown_token")
        self.start_token = _check_character(start_token, "start_token")
        self._vocabulary: list[str] | None = None
        if vocabulary is not None:
            self._set_vocabulary(vocabulary)

    def adapt(self, data: str | bytes | Iterable[str | bytes] | tf.Tensor | tf.data.Dataset) -> None:
        """Replaces the vocabulary by the characters of `data`.

        Args:
            data: A text, an iterable of texts, a string tensor, or a `tf.data.Dataset` of string tensors. Bytes are
                UTF-8.
        """
        characters = {self.start_token, *chain.from_iterable(texts(data))}
        self._set_vocabulary([self.unknown_token, *sorted(characters - {self.unknown_token})])

    def tokenize(self, inputs: str | bytes | Sequence[str | bytes] | tf.Tensor) -> tf.Tensor | tf.RaggedTensor:
        """Looks up the id of each character.

        Args:
            inputs: A text or a batch of texts: a string, a list of strings, or a string tensor of shape () or (batch,).

        Returns:
            Token ids, int32: a tensor of shape (length,), or a `tf.RaggedTensor` of shape (batch, None).

        Raises:
            ValueError: If `inputs` has another rank, or a string holds a lone surrogate.
            TypeError: If `inputs` does not hold text.
        """
        self._require_vocabulary()
        code_points = tf.strings.unicode_decode(string_tensor(inputs), "UTF-8", errors="replace")
        return tf.ragged.map_flat_values(self._to_ids, code_points)

    def detokenize(self, token_ids: Sequence[int] | Sequence[Sequence[int]] | tf.Tensor | tf.RaggedTensor) -> tf.Tensor:
        """Joins the characters that the ids stand for.

        Args:
            token_ids: Integers of shape (length,) or (batch, length), dense or ragged.

        Returns:
            UTF-8 text: a string tensor of shape () or (batch,).

        Raises:
            ValueError: If `token_ids` has another rank, or an id is outside the vocabulary (inside a graph:
                `tf.errors.InvalidArgumentError`).
            TypeError: If `token_ids` are not integers.
        """
        self._require_vocabulary()
        code_points = tf.ragged.map_flat_values(self._to_code_points, integer_tensor(token_ids))
        return tf.strings.unicode_encode(code_points, "UTF-8")

    def __call__(self, inputs: str | bytes | Sequence[str | bytes] | tf.Tensor) -> tf.Tensor | tf.RaggedTensor:
        return self.tokenize(inputs)

    def get_vocabulary(self) -> list[str]:
        """Returns a copy of the vocabulary, in the order of the ids."""
        return list(self._require_vocabulary())

    def vocabulary_size(self) -> int:
        """Returns the number of tokens, the unknown token included."""
        return len(self._require_vocabulary())

    def token_to_id(self, token: str) -> int:
        """Returns the id of a character, or the unknown token's if it is not in the vocabulary."""
        vocabulary = self._require_vocabulary()
        return vocabulary.index(token) if _check_character(token, "token") in vocabulary else self.unknown_token_id

    def id_to_token(self, id: int) -> str:
        """Returns the character of an id."""
        vocabulary = self._require_vocabulary()
        if not 0 <= id < len(vocabulary):
            raise ValueError(f"id must be in [0, {len(vocabulary)}), the vocabulary's range, but is {id}.")
        return vocabulary[id]

    @property
    def unknown_token_id(self) -> int:
        """The id of every character outside the vocabulary: 0."""
        return 0

    @property
    def start_token_id(self) -> int:
        """The id that every text is taken to follow."""
        return self._require_vocabulary().index(self.start_token)

    def get_config(self) -> dict[str, Any]:
        return {
            "vocabulary": None if self._vocabulary is None else list(self._vocabulary),
            "unknown_token": self.unknown_token,
            "start_token": self.start_token,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)

    def specification(self) -> dict[str, Any]:
        """Returns all that another implementation must know, as plain JSON types."""
        self._require_vocabulary()
        return {"class_name": "CharTokenizer", "version": SPECIFICATION_VERSION, **self.get_config()}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the specification to a JSON file, whole or not at all."""
        content = json.dumps(self.specification())
        temporary = f"{os.fspath(path)}.{uuid.uuid4().hex}"
        try:
            with open(temporary, "x", encoding="utf-8") as file:
                file.write(content)
            os.replace(temporary, path)
        finally:
            pathlib.Path(temporary).unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a tokenizer that `save` wrote.

        Raises:
            ValueError: If the file holds none, or one of a newer version.
            FileNotFoundError: If there is no such file.
        """
        with open(path, encoding="utf-8") as file:
            try:
                return cls.from_config(_config(json.load(file)))
            except (ValueError, TypeError) as error:
                raise ValueError(
                    f"{os.fspath(path)!r} does not hold a CharTokenizer that save() wrote: {error}"
                ) from error

    def _set_vocabulary(self, vocabulary: Sequence[str]) -> None:
        tokens = [_check_character(token, "vocabulary") for token in vocabulary]
        if len(set(tokens)) < len(tokens):
            repeated = next(token for token in tokens if tokens.count(token) > 1)
            raise ValueError(
                f"vocabulary must hold each character once, but repeats {repeated!r}. Remove the repetition."
            )
        if tokens[:1] != [self.unknown_token]:
            raise ValueError(
                f"vocabulary must begin with the unknown token {self.unknown_token!r}, but begins with {tokens[:1]}. "
                "Put it first, or pass unknown_token=vocabulary[0]."
            )
        if self.start_token not in tokens:
            raise ValueError(
                f"vocabulary must hold the start token {self.start_token!r}, but does not. "
                "Add it, or pass a character of the vocabulary as start_token."
            )
        self._vocabulary = tokens
        self._code_points = np.array([ord(token) for token in tokens], "int32")
        self._sorted_ids = np.argsort(self._code_points).astype("int32")
        self._sorted_code_points = self._code_points[self._sorted_ids]

    def _require_vocabulary(self) -> list[str]:
        if self._vocabulary is None:
            raise ValueError("This CharTokenizer has no vocabulary yet: call adapt(...) first or pass vocabulary=.")
        return self._vocabulary

    def _to_ids(self, code_points: tf.Tensor) -> tf.Tensor:
        place = tf.searchsorted(self._sorted_code_points, code_points)
        place = tf.minimum(place, len(self._sorted_code_points) - 1)
        known = tf.gather(self._sorted_code_points, place) == code_points
        return tf.where(known, tf.gather(self._sorted_ids, place), self.unknown_token_id)

    def _to_code_points(self, ids: tf.Tensor) -> tf.Tensor:
        outside = (ids < 0) | (ids >= self.vocabulary_size())
        expected = f"token_ids must be in [0, {self.vocabulary_size()}), the vocabulary's range"
        if tf.executing_eagerly():
            if tf.reduce_any(outside):
                raise ValueError(f"{expected}, but one is {ids[outside][0]}. Was it made by another tokenizer?")
            return tf.gather(self._code_points, ids)
        with tf.control_dependencies([tf.debugging.Assert(~tf.reduce_any(outside), [expected, ids])]):
            return tf.gather(self._code_points, ids)


def _config(specification: Any) -> dict[str, Any]:
    keys = ["class_name", "version", "vocabulary", "unknown_token", "start_token"]
    if not isinstance(specification, dict) or not set(keys) <= set(specification):
        raise ValueError(f"expected an object with the keys {', '.join(keys)}, found {str(specification)[:100]}")
    class_name, version, vocabulary, *_ = values = [specification[key] for key in keys]
    if class_name != "CharTokenizer":
        raise ValueError(f"expected the class_name 'CharTokenizer', found {class_name!r}")
    if version != SPECIFICATION_VERSION:
        raise ValueError(
            f"expected version {SPECIFICATION_VERSION}, found {version!r}. "
            "If a newer kerasrnn wrote it, upgrade: pip install --upgrade kerasrnn"
        )
    if not isinstance(vocabulary, list):
        raise ValueError(f"expected a list as the vocabulary, found {vocabulary!r}")
    return dict(zip(keys[2:], values[2:]))


def _check_character(token: Any, name: str) -> str:
    if not isinstance(token, str):
        raise TypeError(f"{name} must be made of one-character strings, but received {token!r}.")
    if len(token) != 1 or "\ud800" <= token <= "\udfff":
        raise ValueError(
            f"{name} must be made of strings of one character, a Unicode code point but no surrogate, "
            f"but received {token!r}."
        )
    return token
