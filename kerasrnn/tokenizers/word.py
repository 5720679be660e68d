import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.tokenizers._code_points import lower_case
from kerasrnn.tokenizers._counting import count_tokens, most_frequent
from kerasrnn.tokenizers._split import lowered, split, well_formed
from kerasrnn.tokenizers._string_table import StringTable
from kerasrnn.tokenizers.patterns import WORDS_AND_SYMBOLS, portable_pattern
from kerasrnn.tokenizers.tokenizer import Tokenizer


@keras.saving.register_keras_serializable(package="kerasrnn")
class WordTokenizer(Tokenizer):
    r"""Text to token ids and back, one token per match of a regular expression: words and punctuation.

    The vocabulary is a list of words, and a token's id is its place there. Id 0 is the unknown token. `adapt` puts the
    start token and then the words it saw after it, the most frequent first, equals by code point. Invalid UTF-8 counts
    as U+FFFD.

    `detokenize` joins words with the separator. It cannot restore the spaces of a text, unless they are part of the tokens:
    with `pattern=kerasrnn.tokenizers.patterns.WORDS_AND_SPACES, separator=""` `detokenize(tokenize(x)) == x` holds for
    texts of known words, as far as `lowercase` leaves them alone.

    Args:
        vocabulary: List of distinct words in any order, but the unknown token first and the start token among them.
            If it is left out, call `adapt`. With a padding token, that one first and the unknown token second.
        pattern: The regular expression of one token, in the syntax that `kerasrnn.tokenizers.patterns` describes; the
            pattern there that is the default makes tokens of words and of each punctuation mark. Where two alternatives
            match, the first one must be the longer one, since ONNX takes the longest.
        lowercase: Whether to take each code point's simple lower case: the one that is a single code point.
        min_frequency: How often a word must occur for `adapt` to take it.
        max_vocabulary_size: The largest vocabulary that `adapt` makes, unknown and start token included: the most
            frequent words. None sets no limit.
        separator: What `detokenize` puts between two tokens.
        unknown_token: The token that stands for every word outside the vocabulary.
        start_token: The token that every text is taken to follow: generation and scoring begin from it.
        end_token, padding_token: Tokens that no text holds, as in `Tokenizer`; None for none.

    Raises:
        ValueError: If the vocabulary or the pattern is not as above.
        TypeError: If a token or the pattern is not a string.

    Example:

    >>> tokenizer = WordTokenizer(lowercase=True)
    >>> tokenizer.adapt(["The whale, the sea.", "The ship!"])
    >>> tokenizer.get_vocabulary()
    ['<unk>', '<s>', 'the', '!', ',', '.', 'sea', 'ship', 'whale']
    >>> tokenizer.tokenize("The grey whale!").numpy().tolist()
    [2, 0, 8, 3]
    >>> tokenizer.detokenize([2, 0, 8, 3]).numpy().decode()
    'the <unk> whale !'
    >>> tokenizer.offsets("The grey whale!").tolist()
    [[0, 3], [4, 8], [9, 14], [14, 15]]
    """

    def __init__(
        self,
        vocabulary: Sequence[str] | None = None,
        pattern: str = WORDS_AND_SYMBOLS,
        lowercase: bool = False,
        min_frequency: int = 1,
        max_vocabulary_size: int | None = None,
        separator: str = " ",
        unknown_token: str = "<unk>",
        start_token: str = "<s>",
        end_token: str | None = None,
        padding_token: str | None = None,
    ) -> None:
        self.pattern, self.lowercase = portable_pattern(pattern), bool(lowercase)
        self._expression = re.compile(self.pattern, re.ASCII)
        self.min_frequency, self.max_vocabulary_size = min_frequency, max_vocabulary_size
        if not isinstance(separator, str):
            raise TypeError(f"separator must be a string, but is {separator!r}.")
        if "\0" in separator:
            raise ValueError(f"separator must not hold NUL, at which TensorFlow's join ends it, but is {separator!r}.")
        self.separator = separator
        super().__init__(vocabulary, unknown_token, start_token, end_token, padding_token)

    def adapt(
        self, data: str | bytes | Iterable[str | bytes] | tf.Tensor | tf.data.Dataset, verbose: int | bool = 0
    ) -> None:
        """Replaces the vocabulary by the words of `data`, in memory proportional to the number of different words.

        Args:
            data: A text, an iterable of texts, a string tensor, or a `tf.data.Dataset` of string tensors. Bytes are
                UTF-8. It is read once, text by text.
            verbose: 0 is silent; 1 shows a progress bar over the texts.
        """
        counts = count_tokens(data, self._words, verbose)
        special = [self.padding_token, self.unknown_token, self.start_token, self.end_token]
        special = list(dict.fromkeys(token for token in special if token is not None))
        for token in special:
            counts.pop(token, None)
        number = None if self.max_vocabulary_size is None else self.max_vocabulary_size - len(special)
        self._set_vocabulary([*special, *most_frequent(counts, self.min_frequency, number)])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pattern": self.pattern,
            "lowercase": self.lowercase,
            "min_frequency": self.min_frequency,
            "max_vocabulary_size": self.max_vocabulary_size,
            "separator": self.separator,
        }

    def _set_vocabulary(self, vocabulary: Sequence[str]) -> None:
        super()._set_vocabulary(vocabulary)
        self._table = StringTable(self.get_vocabulary(), self.unknown_token_id)
        # A text may spell what no text holds.
        self._ids_of_words = np.arange(self.vocabulary_size(), dtype="int32")
        self._ids_of_words[self._control_token_ids] = self.unknown_token_id
        with tf.init_scope():
            self._words_by_id = tf.constant(self.get_vocabulary())

    def _tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        words = split(lowered(texts) if self.lowercase else well_formed(texts), self.pattern)
        ids = self._table(words.values)
        return words.with_values(tf.gather(self._ids_of_words, ids) if self._control_tokens else ids)

    def _detokenize(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        words = tf.gather(self._words_by_id, token_ids.values)
        return tf.strings.unsorted_segment_join(words, token_ids.value_rowids(), token_ids.nrows(), self.separator)

    def _words(self, text: str) -> Iterator[str]:
        return (match.group() for match in self._expression.finditer(self._lowered(text)))

    def _spans(self, text: str) -> Any:
        return [match.span() for match in self._expression.finditer(self._lowered(text))]

    def _lowered(self, text: str) -> str:
        if not self.lowercase:
            return text
        return text.lower() if text.isascii() else text.translate(lower_case())

    def _check_token(self, token: Any, name: str) -> str:
        if not isinstance(token, str):
            raise TypeError(f"{name} must be made of strings, but received {token!r}.")
        if not token or any("\ud800" <= character <= "\udfff" for character in token):
            raise ValueError(
                f"{name} must be made of strings that are neither empty nor hold surrogates, but received {token!r}."
            )
        return token
