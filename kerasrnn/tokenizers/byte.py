from collections.abc import Iterable
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.tokenizers._inputs import encoded
from kerasrnn.tokenizers.tokenizer import Tokenizer

UNKNOWN_TOKEN = "<unknown>"
VOCABULARY = [*map(chr, range(128)), *(f"<0x{byte:02X}>" for byte in range(128, 256)), UNKNOWN_TOKEN]
_PIECES = [*(bytes([byte]) for byte in range(256)), "\ufffd".encode()]


@keras.saving.register_keras_serializable(package="kerasrnn")
class ByteTokenizer(Tokenizer):
    r"""Text to token ids and back, one token per byte: a token's id is the byte's value.

    The vocabulary is fixed: bytes below 128 are named by the characters that they are, the others `<0x80>` to `<0xFF>`.
    No byte is unknown, and `tokenize` never makes the unknown token's id, 256; generation, which never draws the unknown
    token, thus draws any byte, and has U+FFFD for those that make no UTF-8. `detokenize` writes U+FFFD for the unknown
    token. `detokenize(tokenize(x)) == x` for all bytes, valid UTF-8 or not.

    The end token and the padding token, where there are any, have the ids behind 256, in this order, so that a token's id
    stays its byte's value: models take their mask from `padding_token_id`, for which `mask_zero` is no good here.

    Args:
        start_token: The name of the byte that every text is taken to follow.
        end_token, padding_token: Tokens that no text holds, as in `Tokenizer`; None for none.

    Raises:
        ValueError: If the start token names no byte, or the end or the padding token does.

    Example:

    >>> tokenizer = ByteTokenizer()
    >>> tokenizer.tokenize("né").numpy().tolist()
    [110, 195, 169]
    >>> tokenizer.detokenize([110, 195, 169]).numpy().decode()
    'né'
    >>> tokenizer.offsets("né").tolist()
    [[0, 1], [1, 2], [1, 2]]
    """

    def __init__(
        self, start_token: str = "\n", end_token: str | None = None, padding_token: str | None = None
    ) -> None:
        super().__init__(None, UNKNOWN_TOKEN, start_token, end_token, padding_token)
        if start_token == UNKNOWN_TOKEN:
            raise ValueError(f"start_token must name a byte, but is {start_token!r}. Leave it out for a newline.")
        for name, token in (("end_token", end_token), ("padding_token", padding_token)):
            if token in VOCABULARY:
                raise ValueError(
                    f"{name} must be a token of its own, but {token!r} names a byte already. "
                    f"Name it otherwise, such as '<{name}>'."
                )
        self._set_vocabulary([*VOCABULARY, *(token for token in (end_token, padding_token) if token is not None)])

    def adapt(
        self, data: str | bytes | Iterable[str | bytes] | tf.Tensor | tf.data.Dataset, verbose: int | bool = 0
    ) -> None:
        """Does nothing: the vocabulary is all bytes, and `data` is not read."""

    def get_config(self) -> dict[str, Any]:
        return {"start_token": self.start_token, **self._control_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ByteTokenizer":
        given = ("start_token", "end_token", "padding_token")
        tokenizer = cls(**{name: config[name] for name in given if name in config})
        vocabulary = tokenizer.get_vocabulary()
        if config.get("vocabulary", vocabulary) != vocabulary or config.get("unknown_token", UNKNOWN_TOKEN) != UNKNOWN_TOKEN:
            raise ValueError(
                "the vocabulary of a ByteTokenizer must be the 256 bytes, the unknown token, and the end and the padding token"
            )
        return tokenizer

    def specification(self) -> dict[str, Any]:
        shared = {"vocabulary": self.get_vocabulary(), "unknown_token": self.unknown_token}
        return {"class_name": "ByteTokenizer", "version": self._version, **shared, **self.get_config()}

    def offsets(self, text: str | bytes) -> np.ndarray:
        """Finds where each token lies in the text.

        Args:
            text: One text. Bytes are taken as they are.

        Returns:
            int64 of shape (length, 2): of each byte the beginning and the end of the character that it belongs to; where
            `text` is bytes, of the byte itself.
        """
        content = np.frombuffer(encoded(text, "text"), "uint8")
        begin = np.arange(len(content)) if isinstance(text, bytes) else np.cumsum((content & 0xC0) != 0x80) - 1
        return np.stack([begin, begin + 1], axis=1).astype("int64")

    def _check_first_tokens(self, tokens: list[str]) -> None:
        """The special ones are the last ones, so that an id is the byte's value."""

    def _check_token(self, token: Any, name: str) -> str:
        if token not in VOCABULARY:
            raise ValueError(
                f"{name} must be an ASCII character or a byte's name from '<0x80>' to '<0xFF>', but is {token!r}."
            )
        return token

    def _tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        values = tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8)
        lengths = tf.cast(tf.strings.length(texts), tf.int64)
        return tf.RaggedTensor.from_row_lengths(tf.cast(values, tf.int32), lengths, validate=False)

    def _detokenize(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        pieces = tf.gather(tf.constant(_PIECES), token_ids.values)
        return tf.strings.unsorted_segment_join(pieces, token_ids.value_rowids(), token_ids.nrows())
