import os
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn._files import read_json, write_json
from kerasrnn.tokenizers._inputs import integer_tensor, string_tensor, text_of


class Tokenizer:
    r"""Text to token ids and back: what all tokenizers share.

    A tokenizer's vocabulary is a list of distinct tokens, and a token's id is its place there. `tokenize` and
    `detokenize` are made of core TensorFlow operations without lookup tables: they work eagerly, in `tf.data`
    pipelines, inside models and in exported graphs. Invalid UTF-8 counts as U+FFFD.

    A subclass passes its options to `__init__` and states `_tokenize`, texts (batch,) to int32 token ids (batch, None);
    `_detokenize`, the reverse; `_spans`, a text's offsets; `adapt`; and `get_config`, whose keys its specification has.

    Args:
        vocabulary: List of distinct tokens, or None until `adapt` is called.
        unknown_token: The token that stands for whatever the vocabulary lacks. It is never drawn in generation.
        start_token: The token that every text is taken to follow: generation and scoring begin from it.
        end_token: The token that ends a text; None for no such token. Models are trained on it by
            `kerasrnn.data.bucketed_documents` and `document_streams`, and draw it like any other: it ends the generation
            of its row. No text holds it: `tokenize` never makes its id, and `detokenize` writes nothing for it.
        padding_token: The token that fills up rows; None for no such token. It has id 0 and the unknown token id 1, so
            that `mask_zero` hides the padding alone. Models take their mask from `padding_token_id` and never draw it. No
            text holds it, as none holds the end token.

    Raises:
        ValueError: If a token repeats, the vocabulary lacks a special token, or two special tokens are the same.
        TypeError: If a token is not a string.

    Example:

    >>> import kerasrnn
    >>> tokenizer = kerasrnn.tokenizers.CharTokenizer()
    >>> tokenizer.adapt("abc")
    >>> isinstance(tokenizer, Tokenizer), tokenizer("cab").numpy().tolist()
    (True, [4, 2, 3])
    """

    def __init__(
        self,
        vocabulary: Sequence[str] | None,
        unknown_token: str,
        start_token: str,
        end_token: str | None = None,
        padding_token: str | None = None,
    ) -> None:
        self.unknown_token = self._check_token(unknown_token, "unknown_token")
        self.start_token = self._check_token(start_token, "start_token")
        self.end_token, self.padding_token = end_token, padding_token
        self._check_control_tokens()
        self._vocabulary: list[str] | None = None
        if vocabulary is not None:
            self._set_vocabulary(vocabulary)

    def adapt(
        self, data: str | bytes | Iterable[str | bytes] | tf.Tensor | tf.data.Dataset, verbose: int | bool = 0
    ) -> None:
        """Replaces the vocabulary by the tokens of `data`, in memory proportional to the vocabulary.

        Args:
            data: A text, an iterable of texts, a string tensor, or a `tf.data.Dataset` of string tensors. Bytes are
                UTF-8. It is read once, text by text.
            verbose: 0 is silent; 1 shows a progress bar over the texts.
        """
        raise NotImplementedError

    def tokenize(self, inputs: str | bytes | Sequence[str | bytes] | tf.Tensor) -> tf.Tensor | tf.RaggedTensor:
        """Splits texts into tokens and looks up their ids.

        Args:
            inputs: A text or a batch of texts: a string, a list of strings, or a string tensor of shape () or (batch,).

        Returns:
            Token ids, int32: a tensor of shape (length,), or a `tf.RaggedTensor` of shape (batch, None).

        Raises:
            ValueError: If `inputs` has another rank, or a string holds a lone surrogate.
            TypeError: If `inputs` does not hold text.
        """
        self._require_vocabulary()
        texts = string_tensor(inputs)
        return self._tokenize(texts) if texts.shape.rank else self._tokenize(texts[None]).values

    def detokenize(
        self, token_ids: Sequence[int] | Sequence[Sequence[int]] | tf.Tensor | tf.RaggedTensor
    ) -> tf.Tensor:
        """Joins the tokens that the ids stand for.

        Args:
            token_ids: Integers of shape (length,) or (batch, length), dense or ragged.

        Returns:
            A string tensor of shape () or (batch,).

        Raises:
            ValueError: If `token_ids` has another rank, or an id is outside the vocabulary (inside a graph:
                `tf.errors.InvalidArgumentError`).
            TypeError: If `token_ids` are not integers.
        """
        size = self.vocabulary_size()
        ids = integer_tensor(token_ids)
        is_single = ids.shape.rank == 1
        if is_single:
            ids = tf.RaggedTensor.from_row_lengths(ids, tf.shape(ids, tf.int64))
        elif not isinstance(ids, tf.RaggedTensor):
            ids = tf.RaggedTensor.from_tensor(ids)
        ids = ids.with_flat_values(_checked(ids.flat_values, size))
        for id in self._control_token_ids:
            ids = tf.ragged.boolean_mask(ids, ids != tf.cast(id, ids.dtype))
        texts = self._detokenize(ids)
        return texts[0] if is_single else texts

    def __call__(self, inputs: str | bytes | Sequence[str | bytes] | tf.Tensor) -> tf.Tensor | tf.RaggedTensor:
        return self.tokenize(inputs)

    def offsets(self, text: str | bytes) -> np.ndarray:
        """Finds where each token lies in the text.

        Args:
            text: One text. Bytes are UTF-8.

        Returns:
            int64 of shape (length, 2): of each token of `tokenize(text)` the beginning and the end, in characters, so
            that `text[begin:end]` is what the token was made from.
        """
        self._require_vocabulary()
        return np.asarray(self._spans(text_of(text, "text")), "int64").reshape(-1, 2)

    def get_vocabulary(self) -> list[str]:
        """Returns a copy of the vocabulary, in the order of the ids."""
        return list(self._require_vocabulary())

    def vocabulary_size(self) -> int:
        """Returns the number of tokens, the unknown token included."""
        return len(self._require_vocabulary())

    def token_to_id(self, token: str) -> int:
        """Returns the id of a token, or the unknown token's if it is not in the vocabulary."""
        self._require_vocabulary()
        if token in self._control_tokens:
            return self._ids[token]
        return self._ids.get(self._check_token(token, "token"), self.unknown_token_id)

    def id_to_token(self, id: int) -> str:
        """Returns the token of an id."""
        vocabulary = self._require_vocabulary()
        if not 0 <= id < len(vocabulary):
            raise ValueError(f"id must be in [0, {len(vocabulary)}), the vocabulary's range, but is {id}.")
        return vocabulary[id]

    @property
    def unknown_token_id(self) -> int:
        """The id of what the vocabulary lacks."""
        self._require_vocabulary()
        return self._ids[self.unknown_token]

    @property
    def start_token_id(self) -> int:
        """The id that every text is taken to follow."""
        self._require_vocabulary()
        return self._ids[self.start_token]

    @property
    def end_token_id(self) -> int | None:
        """The id that ends a text; None without an `end_token`."""
        self._require_vocabulary()
        return None if self.end_token is None else self._ids[self.end_token]

    @property
    def padding_token_id(self) -> int | None:
        """The id that fills up rows; None without a `padding_token`."""
        self._require_vocabulary()
        return None if self.padding_token is None else self._ids[self.padding_token]

    def get_config(self) -> dict[str, Any]:
        return {
            "vocabulary": None if self._vocabulary is None else list(self._vocabulary),
            "unknown_token": self.unknown_token,
            "start_token": self.start_token,
            **self._control_config(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)

    def specification(self) -> dict[str, Any]:
        """Returns all that another implementation must know, as plain JSON types."""
        self._require_vocabulary()
        return {"class_name": type(self).__name__, "version": self._version, **self.get_config()}

    @classmethod
    def from_specification(cls, specification: dict[str, Any]) -> Self:
        """Creates the tokenizer whose `specification()` it was.

        Raises:
            ValueError: If it is another class's, of a newer version, or damaged.
        """
        keys = ["class_name", "version", "vocabulary", "unknown_token", "start_token"]
        if not isinstance(specification, dict) or not set(keys) <= set(specification):
            raise ValueError(f"expected an object with the keys {', '.join(keys)}, found {str(specification)[:100]}")
        config = dict(specification)
        class_name, version = config.pop("class_name"), config.pop("version")
        if class_name != cls.__name__:
            raise ValueError(f"expected the class_name {cls.__name__!r}, found {class_name!r}")
        if isinstance(version, bool) or version not in (1, 2):
            raise ValueError(
                f"expected version 1 or 2, found {version!r}. "
                "If a newer kerasrnn wrote it, upgrade: pip install --upgrade kerasrnn"
            )
        if any(("end_token" in config, "padding_token" in config)) != (version == 2):
            raise ValueError(
                "expected end_token and padding_token in version 2 of a specification, and in no other, found version "
                f"{version} with the keys {', '.join(config)}. Save the tokenizer again."
            )
        if not isinstance(config["vocabulary"], list):
            raise ValueError(f"expected a list as the vocabulary, found {config['vocabulary']!r}")
        try:
            return cls.from_config(config)
        except TypeError as error:
            raise ValueError(f"the specification of a {cls.__name__} is damaged: {error}") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the specification to a JSON file, whole or not at all."""
        write_json(path, self.specification())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a tokenizer that `save` wrote.

        Raises:
            ValueError: If the file holds none, or one of a newer version.
            FileNotFoundError: If there is no such file.
        """
        try:
            return cls.from_specification(read_json(path))
        except ValueError as error:
            raise ValueError(
                f"{os.fspath(path)!r} does not hold a {cls.__name__} that save() wrote: {error}"
            ) from error

    def _set_vocabulary(self, vocabulary: Sequence[str]) -> None:
        controls = self._control_tokens
        tokens = [token if token in controls else self._check_token(token, "vocabulary") for token in vocabulary]
        ids = {token: id for id, token in enumerate(tokens)}
        if len(ids) < len(tokens):
            repeated = next(token for id, token in enumerate(tokens) if ids[token] != id)
            raise ValueError(f"vocabulary must hold each token once, but repeats {repeated!r}. Remove the repetition.")
        self._check_first_tokens(tokens)
        for kind in ("start", "end"):
            token = getattr(self, f"{kind}_token")
            if token is not None and token not in ids:
                raise ValueError(
                    f"vocabulary must hold the {kind} token {token!r}, but does not. "
                    f"Add it, or pass a token of the vocabulary as {kind}_token."
                )
        self._vocabulary, self._ids = tokens, ids

    def _check_first_tokens(self, tokens: list[str]) -> None:
        if self.padding_token is not None and tokens[:2] != [self.padding_token, self.unknown_token]:
            raise ValueError(
                f"vocabulary must begin with the padding token {self.padding_token!r} and the unknown token "
                f"{self.unknown_token!r}, but begins with {tokens[:2]}. Put them first, or leave padding_token out."
            )
        if self.padding_token is None and tokens[:1] != [self.unknown_token]:
            raise ValueError(
                f"vocabulary must begin with the unknown token {self.unknown_token!r}, but begins with {tokens[:1]}. "
                "Put it first, or pass unknown_token=vocabulary[0]."
            )

    def _check_control_tokens(self) -> None:
        taken = {self.unknown_token: "the unknown token", self.start_token: "the start token"}
        for name in ("end_token", "padding_token"):
            token = getattr(self, name)
            if token is None:
                continue
            if not isinstance(token, str):
                raise TypeError(f"{name} must be a string or None, but received {token!r}.")
            if not token or "\0" in token or any("\ud800" <= character <= "\udfff" for character in token):
                raise ValueError(
                    f"{name} must be a string that is neither empty nor holds NUL or surrogates, but is {token!r}. "
                    f"Leave it out for none, or name it as no text would, such as {_EXAMPLES[name]!r}."
                )
            if token in taken:
                raise ValueError(
                    f"{name} must be a token of its own, but {token!r} is {taken[token]} already. "
                    f"Name it otherwise, such as {_EXAMPLES[name]!r}."
                )
            taken[token] = f"the {name.replace('_', ' ')}"

    @property
    def _control_tokens(self) -> list[str]:
        """The tokens that no text holds, in the order of their ids where there is a choice."""
        return [token for token in (self.padding_token, self.end_token) if token is not None]

    @property
    def _control_token_ids(self) -> list[int]:
        return [self._ids[token] for token in self._control_tokens]

    @property
    def _version(self) -> int:
        return 2 if self._control_tokens else 1

    def _control_config(self) -> dict[str, Any]:
        # Not where both are left out: what is written then can be read by any version, and is as it was.
        return {"end_token": self.end_token, "padding_token": self.padding_token} if self._control_tokens else {}

    def _require_vocabulary(self) -> list[str]:
        if self._vocabulary is None:
            raise ValueError(
                f"This {type(self).__name__} has no vocabulary yet: call adapt(...) first or pass vocabulary=."
            )
        return self._vocabulary

    def _check_token(self, token: Any, name: str) -> str:
        raise NotImplementedError

    def _tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        raise NotImplementedError

    def _detokenize(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        raise NotImplementedError

    def _spans(self, text: str) -> Any:
        raise NotImplementedError


def tokenizer_from_specification(specification: dict[str, Any]) -> Tokenizer:
    """Creates the tokenizer that a specification describes.

    Args:
        specification: What `specification()` of any tokenizer returned; its `class_name` tells which it is.

    Raises:
        ValueError: If there is no tokenizer of that name, or the specification is newer than this version, or damaged.

    Example:

    >>> import kerasrnn
    >>> specification = kerasrnn.tokenizers.ByteTokenizer().specification()
    >>> tokenizer_from_specification(specification)("é").numpy().tolist()
    [195, 169]
    """
    class_name = specification.get("class_name") if isinstance(specification, dict) else None
    found = keras.saving.get_registered_object(f"kerasrnn>{class_name}")
    if not hasattr(found, "from_specification"):
        raise ValueError(
            f"specification must have the class_name of a tokenizer, but has {class_name!r}. "
            "If a newer kerasrnn wrote it, upgrade: pip install --upgrade kerasrnn"
        )
    return found.from_specification(specification)


_EXAMPLES = {"end_token": "</s>", "padding_token": "<pad>"}


def _checked(ids: tf.Tensor, size: int) -> tf.Tensor:
    outside = (ids < 0) | (ids >= size)
    expected = f"token_ids must be in [0, {size}), the vocabulary's range"
    if tf.executing_eagerly():
        if tf.reduce_any(outside):
            raise ValueError(f"{expected}, but one is {ids[outside][0]}. Was it made by another tokenizer?")
        return ids
    with tf.control_dependencies([tf.debugging.Assert(~tf.reduce_any(outside), [expected, ids])]):
        return tf.identity(ids)
