import base64
import hashlib
import binascii
from collections.abc import Iterable, Sequence
from typing import Any, Self

from kerasrnn._backend import keras, tf
from kerasrnn.tokenizers._inputs import texts
from kerasrnn.tokenizers._split import well_formed
from kerasrnn.tokenizers._subword_training import sentencepiece_package, train
from kerasrnn.tokenizers.tokenizer import Tokenizer

_NORMALIZATIONS = (None, "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf")


@keras.saving.register_keras_serializable(package="kerasrnn")
class SubwordTokenizer(Tokenizer):
    r"""Text to token ids and back, one token per piece of a word: SentencePiece's, learnt from the text.

    `model_type="unigram"` cuts a text x into the pieces p₁ … pₘ of the vocabulary V that maximise Σᵢ log P(pᵢ), and learns
    the P(p) by expectation maximisation, leaving out the pieces that matter least until |V| = `vocabulary_size`.
    `model_type="bpe"` begins with characters and joins the most frequent neighbours until then.

    `adapt` learns with the package sentencepiece; `tokenize` and `detokenize` are the operations of tensorflow-text, eagerly
    and in graphs. Both come with `pip install 'kerasrnn[subword]'`. A process that loads a graph with these operations in it
    must `import tensorflow_text` first, or load its library `_sentencepiece_tokenizer.so`; TensorFlow Serving has them.
    Invalid UTF-8 counts as U+FFFD.

    `detokenize(tokenize(x)) == x` holds for all well-formed text without "▁" (U+2581, SentencePiece's own sign of a
    space, which comes back as a space), as long as `byte_fallback` is on and `normalization` off.

    Args:
        vocabulary_size: The number of tokens that `adapt` aims at, special ones included. A text that has fewer pieces
            makes a smaller vocabulary: the method `vocabulary_size()` tells.
        model_type: "unigram" or "bpe".
        model: A trained SentencePiece model: the bytes of a `.model` file, or those in base64. Its own settings count then,
            not those of this class. If it is left out, call `adapt`.
        byte_fallback: Whether characters outside the vocabulary become their bytes, 256 tokens named `<0x00>` to `<0xFF>`,
            rather than the unknown token.
        character_coverage: The share of all characters of the text that get a token of their own, in (0, 1].
        normalization: None leaves texts as they are; "nfkc", "nmt_nfkc" (which also tidies spaces), "nfkc_cf" and
            "nmt_nfkc_cf" (which fold cases too) are SentencePiece's.
        user_defined_symbols: Tokens that are always whole, wherever they occur.
        input_sentence_size: The number of lines that `adapt` learns from, a random sample (always the same) if there are
            more, so that no stream is too long. 0 takes all of them into memory.
        unknown_token: The token that stands for whatever the vocabulary lacks.
        start_token: The token that every text is taken to follow: generation and scoring begin from it. It is a control
            symbol, which no text holds, or one of `user_defined_symbols`.
        end_token, padding_token: Control symbols, which no text holds, as in `Tokenizer`; None for none. A `model` that was
            trained elsewhere must have them as such, and the padding token with id 0.

    Raises:
        ValueError: If an option is outside its range, or the model is damaged or lacks the special tokens.
        TypeError: If a token is not a string.
        ImportError: If sentencepiece or tensorflow-text is missing.

    Example:

    >>> tokenizer = SubwordTokenizer(vocabulary_size=300, model_type="bpe")
    >>> tokenizer.adapt(["the whale and the other whale", "the sea"])
    >>> tokenizer.tokenize("the whale").numpy().tolist()
    [260, 265]
    >>> [tokenizer.id_to_token(id) for id in (260, 265)]
    ['the', '▁whale']
    >>> tokenizer.detokenize(tokenizer("the ship: 😀\n")).numpy().decode()
    'the ship: 😀\n'
    >>> tokenizer.offsets("the whale").tolist()
    [[0, 3], [3, 9]]

    References:
        Kudo and Richardson (2018), "SentencePiece: A simple and language independent subword tokenizer and detokenizer for
        neural text processing"; Kudo (2018), "Subword regularization"; Sennrich, Haddow and Birch (2016), "Neural machine
        translation of rare words with subword units".
    """

    def __init__(
        self,
        vocabulary_size: int = 8000,
        model_type: str = "unigram",
        model: bytes | str | None = None,
        byte_fallback: bool = True,
        character_coverage: float = 0.9995,
        normalization: str | None = None,
        user_defined_symbols: Sequence[str] = ("\n",),
        input_sentence_size: int = 1_000_000,
        unknown_token: str = "<unk>",
        start_token: str = "<s>",
        end_token: str | None = None,
        padding_token: str | None = None,
    ) -> None:
        super().__init__(None, unknown_token, start_token, end_token, padding_token)
        if isinstance(vocabulary_size, bool) or not hasattr(vocabulary_size, "__index__") or vocabulary_size < 3:
            raise ValueError(f"vocabulary_size must be an integer of at least 3, but is {vocabulary_size!r}.")
        if model_type not in ("unigram", "bpe"):
            raise ValueError(f'model_type must be "unigram" or "bpe", but is {model_type!r}.')
        if not 0 < character_coverage <= 1:
            raise ValueError(f"character_coverage must be in (0, 1], but is {character_coverage!r}.")
        if normalization not in _NORMALIZATIONS:
            raise ValueError(f"normalization must be one of {_NORMALIZATIONS}, but is {normalization!r}.")
        if isinstance(user_defined_symbols, str):
            raise TypeError(f"user_defined_symbols must be a list of strings, but is the string {user_defined_symbols!r}.")
        if isinstance(input_sentence_size, bool) or not hasattr(input_sentence_size, "__index__") or input_sentence_size < 0:
            raise ValueError(f"input_sentence_size must be an integer of at least 0, but is {input_sentence_size!r}.")
        self._size_to_adapt = int(vocabulary_size)  # vocabulary_size is a method
        self.model_type, self.byte_fallback = model_type, bool(byte_fallback)
        self.character_coverage, self.normalization = character_coverage, normalization
        self.user_defined_symbols = [self._check_token(token, "user_defined_symbols") for token in user_defined_symbols]
        for name, token in (("end_token", end_token), ("padding_token", padding_token)):
            if token is not None and token in self.user_defined_symbols:
                raise ValueError(
                    f"{name} must be a token that no text holds, but {token!r} is one of user_defined_symbols. "
                    "Take it out there."
                )
        self.input_sentence_size = int(input_sentence_size)
        self._model: bytes | None = None
        if model is not None:
            self._set_model(_model_bytes(model))

    def adapt(
        self, data: str | bytes | Iterable[str | bytes] | tf.Tensor | tf.data.Dataset, verbose: int | bool = 0
    ) -> None:
        """Replaces the model by one learnt from `data`, in memory proportional to `input_sentence_size`.

        Args:
            data: A text, an iterable of texts, a string tensor, or a `tf.data.Dataset` of string tensors. Bytes are
                UTF-8. It is read once, text by text; no piece crosses the end of a line.
            verbose: 0 is silent; 1 shows a progress bar over the texts.

        Raises:
            ValueError: If `data` is empty, or its characters alone are more than `vocabulary_size`.
        """
        start_is_symbol = self.start_token in self.user_defined_symbols
        first = 0 if self.padding_token is None else 1
        end_id = -1 if self.end_token is None else first + (1 if start_is_symbol else 2)
        self._set_model(
            train(
                texts(data),
                verbose,
                vocab_size=self._size_to_adapt,
                model_type=self.model_type,
                hard_vocab_limit=False,
                byte_fallback=self.byte_fallback,
                character_coverage=self.character_coverage,
                normalization_rule_name=self.normalization or "identity",
                remove_extra_whitespaces=False,
                add_dummy_prefix=False,
                user_defined_symbols=self.user_defined_symbols,
                input_sentence_size=self.input_sentence_size,
                unk_id=first,
                unk_piece=self.unknown_token,
                unk_surface=self.unknown_token,
                bos_id=-1 if start_is_symbol else first + 1,
                bos_piece="<s>" if start_is_symbol else self.start_token,
                eos_id=end_id,
                pad_id=first - 1,
                **({} if self.end_token is None else {"eos_piece": self.end_token}),
                **({} if self.padding_token is None else {"pad_piece": self.padding_token}),
            )
        )

    def get_config(self) -> dict[str, Any]:
        return {
            "vocabulary_size": self._size_to_adapt,
            "model_type": self.model_type,
            "model": None if self._model is None else base64.b64encode(self._model).decode(),
            "byte_fallback": self.byte_fallback,
            "character_coverage": self.character_coverage,
            "normalization": self.normalization,
            "user_defined_symbols": list(self.user_defined_symbols),
            "input_sentence_size": self.input_sentence_size,
            "unknown_token": self.unknown_token,
            "start_token": self.start_token,
            **self._control_config(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        vocabulary = config.pop("vocabulary", None)
        tokenizer = cls(**config)
        if vocabulary is not None and vocabulary != tokenizer._vocabulary:
            raise ValueError("the vocabulary is not that of the model, so that one of them is damaged. Save it again.")
        return tokenizer

    def specification(self) -> dict[str, Any]:
        """Returns all that another implementation must know, as plain JSON types: the model is in base64."""
        return {**super().specification(), "vocabulary": self.get_vocabulary()}

    def resources(self) -> list[tf.Module]:
        """Returns what graphs with this tokenizer in them use and a `tf.Module` that is saved with them must hold."""
        self._require_vocabulary()
        return [self._tensorflow_text()]

    def _set_model(self, model: bytes) -> None:
        processor = sentencepiece_package().SentencePieceProcessor()
        try:
            processor.load_from_serialized_proto(model)
        except RuntimeError as error:
            raise ValueError(
                f"model must be a serialised SentencePiece model, but these {len(model)} bytes are none: {error}"
            ) from error
        self._processor = processor
        self._set_vocabulary([processor.id_to_piece(id) for id in range(processor.get_piece_size())])
        self._model, self._operations = model, None

    def _check_first_tokens(self, tokens: list[str]) -> None:
        for name in ("end_token", "padding_token"):
            token = getattr(self, name)
            if token is not None and not (token in tokens and self._processor.is_control(tokens.index(token))):
                raise ValueError(
                    f"{name} must be a control symbol of the model, but {token!r} is none. "
                    "Name one that it has, or leave it out."
                )
        if self.padding_token is not None and tokens[0] != self.padding_token:
            raise ValueError(
                f"padding_token must have id 0 in the model, but {self.padding_token!r} has "
                f"{tokens.index(self.padding_token)}. Train the model with pad_id=0, or leave padding_token out."
            )
        unknown = self._processor.id_to_piece(self._processor.unk_id())
        if unknown != self.unknown_token:
            raise ValueError(f"unknown_token must be the model's, {unknown!r}, but is {self.unknown_token!r}.")

    def _require_vocabulary(self) -> list[str]:
        if self._vocabulary is None:
            raise ValueError("This SubwordTokenizer has no vocabulary yet: call adapt(...) first or pass model=.")
        return self._vocabulary

    def _check_token(self, token: Any, name: str) -> str:
        if not isinstance(token, str):
            raise TypeError(f"{name} must be made of strings, but received {token!r}.")
        if not token or "\0" in token or any("\ud800" <= character <= "\udfff" for character in token):
            raise ValueError(
                f"{name} must be made of strings that are neither empty nor hold NUL or surrogates, but received {token!r}."
            )
        return token

    def _tensorflow_text(self) -> Any:
        if self._operations is None:
            try:
                import tensorflow_text
            except ImportError as error:
                raise ImportError(
                    "SubwordTokenizer tokenizes with tensorflow-text, of TensorFlow's own version. "
                    "Install it: pip install 'kerasrnn[subword]'"
                ) from error
            # Outside of the graph that first uses it: others use it too.
            with tf.init_scope():
                self._operations = tensorflow_text.SentencepieceTokenizer(model=self._model)
                self._operations._model_resource = _SharedModel(self._model)
        return self._operations

    def _tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        # SentencePiece alone would make another number of U+FFFD of what is no UTF-8 than Python does.
        return self._tensorflow_text().tokenize(well_formed(texts))

    def _detokenize(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        return self._tensorflow_text().detokenize(token_ids.with_values(tf.cast(token_ids.values, tf.int32)))

    def _spans(self, text: str) -> list[tuple[int, int]]:
        found = self._processor.encode(text, return_type="offset_mapping")
        spans, end_of_character = [], len(text)
        for id, (begin, end) in zip(reversed(found["ids"]), reversed(found["offsets"]), strict=True):
            # Of the bytes of a character SentencePiece gives the whole of it to the last, and nothing to the others.
            if begin == end and self._processor.is_byte(id):
                end = end_of_character
            spans.append((begin, end))
            end_of_character = end
        return spans[::-1]


class _SharedModel(tf.saved_model.experimental.TrackableResource):
    """A model that TensorFlow holds under a name: tensorflow-text's own is gone after `keras.utils.set_random_seed`.

    The name tells the contents, so that those who share it have the same model.
    """

    def __init__(self, model: bytes) -> None:
        self._model = model
        super().__init__()
        _ = self.resource_handle  # made when first asked for, which must be outside of graphs

    def _create_resource(self) -> tf.Tensor:
        from tensorflow_text.python.ops.sentencepiece_tokenizer import gen_sentencepiece_tokenizer

        name = hashlib.sha256(self._model).hexdigest()
        return gen_sentencepiece_tokenizer.sentencepiece_op(model=self._model, shared_name=name)


def _model_bytes(model: bytes | str) -> bytes:
    if isinstance(model, str):
        try:
            return base64.b64decode(model, validate=True)
        except binascii.Error as error:
            raise ValueError(f"model must be bytes or base64, but is {model[:50]!r}: {error}.") from error
    if not isinstance(model, bytes):
        raise TypeError(f"model must be bytes or a base64 string, but is of type {type(model).__name__}.")
    return model
