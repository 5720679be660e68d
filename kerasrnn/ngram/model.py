import math
import numbers
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from kerasrnn._text_quality import keeps_text
from kerasrnn.ngram import _arpa, _files, _most_likely, _sampling
from kerasrnn.ngram._counts import Counts
from kerasrnn.ngram._interpolation import Interpolation
from kerasrnn.ngram._trie import pad
from kerasrnn.tokenizers import Tokenizer
from kerasrnn.tokenizers.token_ids import TextOrTokenIds, as_token_ids


class NgramModel(ABC):
    """Base of the count-based language models: each token depends on the order − 1 tokens before it.

    Every text, to train on or to judge, follows order − 1 start tokens. A subclass says, in `interpolate`, how the
    counts become probabilities.

    Args:
        order: Length of the counted sequences: 1 for unigrams, 2 for bigrams, 3 for trigrams.
        tokenizer: What splits texts into tokens. Without it texts are token ids, and `vocabulary_size` is needed.
        vocabulary_size: Number of tokens, without a tokenizer.
        start_token_id: The token that every text follows, without a tokenizer.
        unknown_token_id: The token that is never written, without a tokenizer; `None` if there is no such token.

    Raises:
        ValueError: If a number is out of range, or not exactly one of `tokenizer` and `vocabulary_size` is given.
    """

    def __init__(
        self,
        order: int = 2,
        tokenizer: Tokenizer | None = None,
        vocabulary_size: int | None = None,
        start_token_id: int = 0,
        unknown_token_id: int | None = None,
    ) -> None:
        if tokenizer is not None and vocabulary_size is None:
            vocabulary_size = tokenizer.vocabulary_size()
            start_token_id, unknown_token_id = tokenizer.start_token_id, tokenizer.unknown_token_id
        elif tokenizer is not None or vocabulary_size is None:
            raise ValueError(
                "Exactly one of tokenizer and vocabulary_size must be given, but received "
                f"tokenizer={tokenizer!r} and vocabulary_size={vocabulary_size!r}."
            )
        self.order = check_count("order", order)
        self.tokenizer = tokenizer
        self.vocabulary_size = check_count("vocabulary_size", vocabulary_size)
        for name, value in (("start_token_id", start_token_id), ("unknown_token_id", unknown_token_id)):
            if value is not None and not 0 <= value < self.vocabulary_size:
                raise ValueError(f"{name} must be in [0, {vocabulary_size}), but is {value!r}.")
        self.start_token_id = int(start_token_id)
        self.unknown_token_id = None if unknown_token_id is None else int(unknown_token_id)
        self._counts: Counts | None = None
        self._interpolation: Interpolation | None = None

    @abstractmethod
    def interpolate(self, counts: Counts) -> Interpolation:
        """Makes probabilities of counts."""

    def fit(self, text: TextOrTokenIds | Sequence[TextOrTokenIds]) -> Self:
        """Counts a text, in the place of what was counted before.

        Args:
            text: The text, or its token ids: integers of shape (length,). Or a list of such, documents that each
                follow the start tokens.

        Returns:
            The model itself.

        Raises:
            ValueError: If there is no token in the text.
        """
        texts = [self._ended(document) for document in (text if is_batch(text) else [text])]
        if not sum(map(len, texts)):
            raise ValueError("text must have at least one token, but is empty.")
        self._use(Counts.of_texts(texts, self.order, self.vocabulary_size, self.start_token_id))
        return self

    def probabilities(self, context: TextOrTokenIds) -> np.ndarray:
        """Returns the distribution of the token that follows a text, float64 of shape (vocabulary_size,)."""
        return self._fitted.distribution(self._context(context))

    def token_log_probabilities(self, text: TextOrTokenIds | Sequence[TextOrTokenIds]) -> Any:
        """Returns the natural logarithm of each token's probability, an end token's the last, float64 of shape (length,).

        For a list, a list.
        """
        if is_batch(text):
            return [self.token_log_probabilities(each) for each in text]
        probabilities = self._fitted.probabilities(pad(self._ended(text), self.order, self.start_token_id))
        with np.errstate(divide="ignore"):
            return np.log(probabilities)

    def score(self, text: TextOrTokenIds | Sequence[TextOrTokenIds]) -> tuple[Any, Any]:
        """Measures how likely a text is, its first token included.

        Args:
            text: A text or its token ids, or a list of such.

        Returns:
            (log_likelihood, num_tokens): natural logarithms summed over all tokens, and their number; numbers for one
            text, arrays for a list.
        """
        logarithms = self.token_log_probabilities(text if is_batch(text) else [text])
        if not is_batch(text):
            return float(np.sum(logarithms[0])), len(logarithms[0])
        return np.array([np.sum(each) for each in logarithms]), np.array([len(each) for each in logarithms])

    def log_likelihood(self, text: TextOrTokenIds) -> float:
        """Returns the natural logarithm of a text's probability: the sum over its tokens."""
        return self.score(text)[0]

    def bits_per_token(self, text: TextOrTokenIds) -> float:
        """Returns how many bits the model needs for a token of the text on average."""
        log_likelihood, num_tokens = self.score(text)
        if not num_tokens:
            raise ValueError("text must have at least one token, but is empty.")
        return -log_likelihood / num_tokens / math.log(2)

    def bits_per_character(self, text: str) -> float | None:
        """Returns how many bits the model needs for a character (Unicode code point) of the text on average.

        Models with different tokenizers compare by it. It is None where the tokens do not keep the text, as those of words
        do not keep the spaces: see `kerasrnn.training.TextQuality`.
        """
        return self._bits_of_whole(text, len)

    def bits_per_byte(self, text: str) -> float | None:
        """Returns how many bits the model needs for a byte of the text in UTF-8 on average; None as above."""
        return self._bits_of_whole(text, lambda whole: len(whole.encode()))

    def perplexity(self, text: TextOrTokenIds) -> float:
        """Returns how many equally likely tokens would be as hard to guess as those of the text."""
        bits = self.bits_per_token(text)
        return 2.0**bits if bits < 1024 else math.inf

    def generate(
        self,
        prompt: TextOrTokenIds = "",
        max_new_tokens: int = 100,
        temperature: float = 1.0,
        seed: int | None = None,
    ) -> Any:
        """Draws a continuation; the unknown token is never drawn, nor the padding, and an end token ends it.

        Args:
            prompt: The text to go on from, or its token ids; may be empty.
            max_new_tokens: How many tokens to draw, at least 1.
            temperature: Probabilities are raised to the power 1 / temperature; 0 always takes the most likely token.
            seed: The same seed draws the same text; `None` draws a new one.

        Returns:
            The continuation without the prompt: a string where there is a tokenizer, else token ids (length,), int64.

        Raises:
            ValueError: If an argument is out of range, or the model holds no continuation to be possible.
        """
        check_count("max_new_tokens", max_new_tokens)
        if not 0 <= temperature < math.inf:
            raise ValueError(f"temperature must be at least 0, but is {temperature!r}. 1 keeps the probabilities.")
        context = self._context(prompt)
        special = self._forbidden, self._end
        return self._text(_sampling.draw(self._fitted, context, max_new_tokens, temperature, seed, *special))

    def most_likely(self, length: int, prompt: TextOrTokenIds = "") -> tuple[Any, float]:
        """Finds the most likely of all continuations of a length, exactly: dynamic programming, no beam.

        Args:
            length: How many tokens, at least 1.
            prompt: The text to go on from, or its token ids; may be empty.

        Returns:
            (continuation, log_likelihood): a string where there is a tokenizer, else token ids (length,), int64,
            without the unknown token, padding and end token; and the natural logarithm of its probability after the prompt.

        Raises:
            ValueError: If `length` is out of range, or the model holds no continuation to be possible.

        Reference:
            Viterbi, 1967, "Error bounds for convolutional codes and an asymptotically optimum decoding algorithm".
        """
        check_count("length", length)
        forbidden = [*self._forbidden, *self._end]
        token_ids, log_likelihood = _most_likely.search(self._fitted, self._context(prompt), length, forbidden)
        return self._text(token_ids), log_likelihood

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model, its tokenizer included, to one file, whole or not at all; `load_ngram_model` reads it."""
        self._fitted  # noqa: B018  (says so if there is nothing to save)
        _files.save(path, type(self).__name__, self.get_config(), self.tokenizer, self._counts)

    def write_arpa(self, path: str | os.PathLike[str]) -> None:
        """Writes the probabilities as an ARPA file, whole or not at all: what kenlm, SRILM and others read.

        The start token is <s> there, an end token </s> and the unknown token <unk>. A backslash, a space or another character that ARPA
        cannot hold in a word is written as Python writes it in a string: \\\\, \\x20, \\n.

        Raises:
            ValueError: If the model says of a token that it is impossible, which the format has no room for.
        """
        names = _arpa.token_names(self._tokens(), self.start_token_id, self.unknown_token_id, self._end)
        _arpa.write(path, self._fitted, names)

    def get_config(self) -> dict[str, Any]:
        """Returns the options but for the tokenizer, as plain JSON types."""
        if self.tokenizer is not None:
            return {"order": self.order}
        return {
            "order": self.order,
            "vocabulary_size": self.vocabulary_size,
            "start_token_id": self.start_token_id,
            "unknown_token_id": self.unknown_token_id,
        }

    def _use(self, counts: Counts) -> None:
        self._counts, self._interpolation = counts, self.interpolate(counts)

    @property
    def _fitted(self) -> Interpolation:
        if self._interpolation is None:
            raise ValueError(f"This {type(self).__name__} has counted nothing yet: call fit(text) first.")
        return self._interpolation

    def _token_ids(self, text: TextOrTokenIds) -> np.ndarray:
        if isinstance(text, str) and not text:
            return np.zeros(0, "int64")  # an empty prompt needs no tokenizer
        return as_token_ids(text, self.tokenizer, self.vocabulary_size)

    @property
    def _end(self) -> list[int]:
        end = None if self.tokenizer is None else self.tokenizer.end_token_id
        return [] if end is None else [end]

    @property
    def _forbidden(self) -> list[int]:
        padding = None if self.tokenizer is None else self.tokenizer.padding_token_id
        return [id for id in (self.unknown_token_id, padding) if id is not None]

    def _ended(self, text: TextOrTokenIds) -> np.ndarray:
        """The token ids of a text that ends with its end token, where the tokenizer has one."""
        return np.concatenate([self._token_ids(text), self._end]).astype("int64")

    def _tokens(self) -> list[str]:
        return [*map(str, range(self.vocabulary_size))] if self.tokenizer is None else self.tokenizer.get_vocabulary()

    def _context(self, text: TextOrTokenIds) -> np.ndarray:
        padded = pad(self._token_ids(text), self.order, self.start_token_id)
        return padded[len(padded) - self.order + 1 :]

    def _text(self, token_ids: np.ndarray) -> Any:
        # Drawn bytes need not be UTF-8.
        return token_ids if self.tokenizer is None else self.tokenizer.detokenize(token_ids).numpy().decode(errors="replace")

    def _bits_of_whole(self, text: str, size: Callable[[str], int]) -> float | None:
        if not isinstance(text, str) or not text:
            raise ValueError(f"text must be a string of at least one character, but is {text!r}.")
        log_likelihood = self.score(text)[0]
        return -log_likelihood / math.log(2) / size(text) if keeps_text(self.tokenizer, text) else None


def check_count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, but is {value!r}.")
    return int(value)


def is_batch(text: Any) -> bool:
    """Whether this is a list of texts rather than a text or the list of its token ids."""
    return isinstance(text, (list, tuple)) and len(text) > 0 and not isinstance(text[0], numbers.Integral)
