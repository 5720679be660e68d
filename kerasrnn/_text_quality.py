"""How well any model predicts a text: for neural, count-based and exported models alike, so without TensorFlow."""

import inspect
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TextQuality:
    """How well a model predicts a text: totals over all of it, and the usual figures made of them.

    Attributes:
        log_likelihood: Natural logarithms of the tokens' probabilities, summed.
        tokens: Number of tokens.
        characters: Number of Unicode code points.
        bytes: Number of bytes in UTF-8.
        unknown_tokens: Number of tokens that the vocabulary lacks; None where the model has no tokenizer to tell.
    """

    log_likelihood: float
    tokens: int
    characters: int
    bytes: int
    unknown_tokens: int | None = None

    @property
    def perplexity(self) -> float:
        """exp(−log_likelihood / tokens): comparable between models with the same tokenizer only."""
        try:
            return math.exp(-self.log_likelihood / self.tokens)
        except OverflowError:
            return math.inf

    @property
    def bits_per_token(self) -> float:
        return self._bits / self.tokens

    @property
    def bits_per_character(self) -> float:
        return self._bits / self.characters

    @property
    def bits_per_byte(self) -> float:
        return self._bits / self.bytes

    @property
    def unknown_share(self) -> float | None:
        """unknown_tokens / tokens. It spares the model: the unknown token is easier to predict than what it stands for."""
        return None if self.unknown_tokens is None else self.unknown_tokens / self.tokens

    def figures(self) -> dict[str, float | int | None]:
        """All figures by their names, as plain JSON types: None for what is infinite or not known."""
        names = [field.name for field in fields(self)]
        names += ["perplexity", "bits_per_token", "bits_per_character", "bits_per_byte", "unknown_share"]
        values = {name: getattr(self, name) for name in names}
        return {name: None if value is None or not math.isfinite(value) else value for name, value in values.items()}

    @property
    def _bits(self) -> float:
        return -self.log_likelihood / math.log(2)


def evaluate_text(
    model: Any,
    text: str | Iterable[str],
    batch_size: int = 32,
    num_steps: int = 1024,
    verbose: bool = False,
    dynamic: Any = None,
    cache: Any = None,
) -> TextQuality:
    """Measures how well any model predicts a text, each token from all those before it.

    bits per byte = Σ −log₂ p(token | the tokens before it) / number of bytes

    The states are carried from window to window, and the sums are over all tokens: neither `batch_size` nor `num_steps`
    changes the result by more than rounding. Models with different tokenizers compare by bits per byte or character as far
    as these keep the whole text: what a tokenizer drops, as one of words the spaces, or takes for unknown, costs few
    bits or none.

    Args:
        model: A `LanguageModel`, one of `kerasrnn.ngram`, a session of `kerasrnn.export.runtime`, or another object
            whose `score(list of strings)` returns log-likelihoods and numbers of tokens.
        text: A text, or documents, each of which begins anew from the start token; an iterator may be larger than memory.
        batch_size: How many documents are run at once.
        num_steps: How many tokens of each are run at once, by models that take them in windows.
        verbose: Whether to show the progress of a batch, by models that can.
        dynamic: A `kerasrnn.training.DynamicEvaluation`, for a `LanguageModel` that learns from the text as it is
            predicted; its weights are restored.
        cache: A `kerasrnn.training.ContinuousCache`, for a `LanguageModel` that expects what it has met lately.
            (With either, documents are taken one by one.)

    Returns:
        A `TextQuality`.

    Raises:
        TypeError: If the model has no `score`, or a document is not a string.
        ValueError: If there is no character in the text, a number is out of range, or both `dynamic` and `cache` are given.

    Example:

    >>> class Guess:  # each character is one of four
    ...     def score(self, texts):
    ...         return [-len(text) * math.log(4) for text in texts], [len(text) for text in texts]
    >>> quality = evaluate_text(Guess(), ["été", "hiver"])
    >>> round(quality.perplexity, 4), round(quality.bits_per_character, 4), round(quality.bits_per_byte, 4)
    (4.0, 2.0, 1.6)
    >>> quality.figures()["tokens"]
    8
    """
    for name, value in (("batch_size", batch_size), ("num_steps", num_steps)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, but is {value!r}.")
    if dynamic is not None and cache is not None:
        raise ValueError("dynamic and cache exclude each other, but both are given. Leave one out.")
    if (adaptation := dynamic if dynamic is not None else cache) is not None:
        model, batch_size = adaptation.scorer(model), 1
    score = getattr(model, "score", None)
    if score is None:
        raise TypeError(
            f"model must have a score method, but is a {type(model).__name__}. Give a LanguageModel, a model of "
            "kerasrnn.ngram, or what kerasrnn.export.runtime.load returns."
        )
    options = {"num_steps": num_steps, "verbose": verbose}
    options = {name: value for name, value in options.items() if name in inspect.signature(score).parameters}
    tokenizer = getattr(model, "tokenizer", None)
    log_likelihoods, tokens, characters, size, unknown = [], 0, 0, 0, 0
    for documents in _batches([text] if isinstance(text, str) else iter(text), batch_size):
        likelihoods, counts = score(documents, **options)
        log_likelihoods.extend(map(float, likelihoods))
        tokens += sum(map(int, counts))
        characters += sum(map(len, documents))
        size += sum(len(document.encode()) for document in documents)
        unknown += 0 if tokenizer is None else sum(_unknown(tokenizer, document) for document in documents)
    if not tokens:
        raise ValueError("text must have at least one token, but is empty.")
    return TextQuality(math.fsum(log_likelihoods), tokens, characters, size, None if tokenizer is None else unknown)


def _unknown(tokenizer: Any, document: str) -> int:
    return int(np.count_nonzero(np.asarray(tokenizer.tokenize(document)) == tokenizer.unknown_token_id))


def _batches(documents: Iterable[str], batch_size: int) -> Iterator[list[str]]:
    remaining = iter(documents)
    while batch := list(islice(remaining, batch_size)):
        for document in batch:
            if not isinstance(document, str):
                raise TypeError(
                    f"text must be a string or strings, but holds {str(document)[:80]!r}, a {type(document).__name__}. "
                    "Decode bytes first."
                )
        if filled := [document for document in batch if document]:
            yield filled
