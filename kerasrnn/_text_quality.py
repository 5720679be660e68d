"""How well any model predicts a text: for neural, count-based and exported models alike, so without TensorFlow."""

import inspect
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any, NamedTuple

import numpy as np


_FIRST_BAND = 16  # tokens; each later band is as long as all before it
_UNKNOWN = "\ue000"  # stands for one character while texts are compared


class PositionQuality(NamedTuple):
    """How well a model predicts the tokens at the positions from `begin` to before `end`, counted from a text's first.

    Attributes:
        begin: The first position.
        end: One more than the last position.
        tokens: How many tokens of all texts lie there.
        log_likelihood: Natural logarithms of their probabilities, summed.
    """

    begin: int
    end: int
    tokens: int
    log_likelihood: float

    @property
    def perplexity(self) -> float:
        return _exp(-self.log_likelihood / self.tokens)


@dataclass(frozen=True)
class TextQuality:
    """How well a model predicts a text: totals over all of it, and the usual figures made of them.

    Attributes:
        log_likelihood: Natural logarithms of the tokens' probabilities, summed.
        tokens: Number of tokens.
        characters: Number of Unicode code points.
        bytes: Number of bytes in UTF-8.
        unknown_tokens: Number of tokens that the vocabulary lacks; None where the model has no tokenizer to tell.
        keeps_text: Whether the tokens give the text back, where an unknown token may stand for one character; None where
            the model has no tokenizer to tell. If they do not, there are no bits per character or byte: the model is
            never asked for what is lost.
        by_position: The quality of tokens 0 to 15, 16 to 31, 32 to 63, 64 to 127 and so on of each text; empty where the
            model has no `token_log_probabilities`.
    """

    log_likelihood: float
    tokens: int
    characters: int
    bytes: int
    unknown_tokens: int | None = None
    keeps_text: bool | None = None
    by_position: tuple[PositionQuality, ...] = ()

    @property
    def perplexity(self) -> float:
        """exp(−log_likelihood / tokens): comparable between models with the same tokenizer only."""
        return _exp(-self.log_likelihood / self.tokens)

    @property
    def bits_per_token(self) -> float:
        return self._bits / self.tokens

    @property
    def bits_per_character(self) -> float | None:
        """None where the tokens do not keep the text: see `keeps_text`."""
        return None if self.keeps_text is False else self._bits / self.characters

    @property
    def bits_per_byte(self) -> float | None:
        """None where the tokens do not keep the text: see `keeps_text`."""
        return None if self.keeps_text is False else self._bits / self.bytes

    @property
    def unknown_share(self) -> float | None:
        """unknown_tokens / tokens. It spares the model: the unknown token is easier to predict than what it stands for."""
        return None if self.unknown_tokens is None else self.unknown_tokens / self.tokens

    def figures(self) -> dict[str, Any]:
        """All figures by their names, as plain JSON types: None for what is infinite or not known."""
        names = [field.name for field in fields(self) if field.name != "by_position"]
        names += ["perplexity", "bits_per_token", "bits_per_character", "bits_per_byte", "unknown_share"]
        bands = [{**band._asdict(), "perplexity": band.perplexity} for band in self.by_position]
        figures = _finite({name: getattr(self, name) for name in names})
        return {**figures, "by_position": [_finite(band) for band in bands]}

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
    changes the result by more than rounding. A text may be far longer than the windows of training, and the states then go
    where training never led them: `by_position` shows whether the model still predicts well there.

    Models with different tokenizers compare by bits per byte or character. There are none where the tokens do not keep
    the text, as those of words do not keep the spaces.

    Args:
        model: A `LanguageModel`, one of `kerasrnn.ngram`, a session of `kerasrnn.export.runtime`, or another object
            whose `score(list of strings)` returns log-likelihoods and numbers of tokens; or whose
            `token_log_probabilities(list of strings)` returns an array for each.
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
    >>> import kerasrnn
    >>> words = kerasrnn.tokenizers.WordTokenizer()
    >>> words.adapt("no rest, no peace")
    >>> quality = evaluate_text(kerasrnn.ngram.MarkovModel(2, tokenizer=words).fit("no rest, no peace"), "no rest, no peace")
    >>> quality.keeps_text, quality.bits_per_character  # the comma's place is lost
    (False, None)
    >>> [(band.begin, band.end, band.tokens) for band in quality.by_position]
    [(0, 16, 5)]
    """
    for name, value in (("batch_size", batch_size), ("num_steps", num_steps)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, but is {value!r}.")
    if dynamic is not None and cache is not None:
        raise ValueError("dynamic and cache exclude each other, but both are given. Leave one out.")
    if (adaptation := dynamic if dynamic is not None else cache) is not None:
        model, batch_size = adaptation.scorer(model), 1
    score = getattr(model, "score", None)
    each_token = getattr(model, "token_log_probabilities", None)
    if score is None and each_token is None:
        raise TypeError(
            f"model must have a score method, but is a {type(model).__name__}. Give a LanguageModel, a model of "
            "kerasrnn.ngram, or what kerasrnn.export.runtime.load returns."
        )
    measure = each_token or score
    options = {"num_steps": num_steps, "verbose": verbose}
    options = {name: value for name, value in options.items() if name in inspect.signature(measure).parameters}
    tokenizer = getattr(model, "tokenizer", None)
    log_likelihoods: list[float] = []
    bands: list[tuple[int, list[float]]] = []
    tokens, characters, size, unknown, kept = 0, 0, 0, 0, True
    for documents in _batches([text] if isinstance(text, str) else iter(text), batch_size):
        if each_token:
            found = [np.asarray(values, "float64") for values in each_token(documents, **options)]
            likelihoods, counts = [math.fsum(values) for values in found], [len(values) for values in found]
            for values in found:
                _add_to_bands(bands, values)
        else:
            likelihoods, counts = score(documents, **options)
        log_likelihoods.extend(map(float, likelihoods))
        tokens += sum(map(int, counts))
        characters += sum(map(len, documents))
        size += sum(len(document.encode()) for document in documents)
        for document in documents if tokenizer is not None else ():
            token_ids = np.asarray(tokenizer.tokenize(document))
            unknown += int(np.count_nonzero(token_ids == tokenizer.unknown_token_id))
            kept = kept and keeps_text(tokenizer, document, token_ids)
    if not tokens:
        raise ValueError("text must have at least one token, but is empty.")
    told = {} if tokenizer is None else {"unknown_tokens": unknown, "keeps_text": kept}
    ends = [_FIRST_BAND << i for i in range(len(bands))]
    by_position = tuple(
        PositionQuality(begin, end, number, math.fsum(sums)) for begin, end, (number, sums) in zip([0, *ends], ends, bands)
    )
    return TextQuality(math.fsum(log_likelihoods), tokens, characters, size, **told, by_position=by_position)


def keeps_text(tokenizer: Any, text: str, token_ids: Any = None) -> bool:
    """Whether a text's tokens give it back, character by character, where an unknown token may stand for one character.

    Args:
        tokenizer: One of `kerasrnn.tokenizers` or of `kerasrnn.export.runtime`.
        text: The text.
        token_ids: Its tokens, if they are known already.
    """
    token_ids = np.asarray(tokenizer.tokenize(text) if token_ids is None else token_ids)
    known = token_ids != tokenizer.unknown_token_id
    restored = _detokenized(tokenizer, token_ids)
    if known.all():
        return restored == text
    restored = restored.replace(_detokenized(tokenizer, token_ids[~known][:1]), _UNKNOWN)
    if len(restored) != len(text):
        return False
    ours, theirs = (np.frombuffer(each.encode("utf-32-le"), "<u4") for each in (restored, text))
    return bool(np.all((ours == theirs) | (ours == ord(_UNKNOWN))))


def _detokenized(tokenizer: Any, token_ids: np.ndarray) -> str:
    joined = tokenizer.detokenize(token_ids)
    return joined if isinstance(joined, str) else joined.numpy().decode("utf-8", "replace")


def _add_to_bands(bands: list[tuple[int, list[float]]], values: np.ndarray) -> None:
    begin, end, i = 0, _FIRST_BAND, 0
    while begin < len(values):
        part = values[begin:end]
        if i == len(bands):
            bands.append((0, []))
        number, sums = bands[i]
        bands[i] = number + len(part), [*sums, math.fsum(part)]
        begin, end, i = end, 2 * end, i + 1


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value is None or not math.isfinite(value) else value for name, value in values.items()}


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
