"""A SentencePiece model from a stream of texts, by the sentencepiece package."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from kerasrnn._backend import keras

_LONGEST = 1000  # characters; SentencePiece leaves lines of more than 4192 bytes out


def sentencepiece_package() -> Any:
    try:
        import sentencepiece
    except ImportError as error:
        raise ImportError("SubwordTokenizer needs sentencepiece. Install it: pip install 'kerasrnn[subword]'") from error
    return sentencepiece


def train(texts: Iterable[str], verbose: int | bool, **options: Any) -> bytes:
    """Returns the serialised model; `options` are SentencePiece's own.

    Raises:
        ValueError: If nothing can be learnt from the texts under these options.
    """
    sentencepiece, model = sentencepiece_package(), io.BytesIO()
    progress = keras.utils.Progbar(None, unit_name="text", verbose=int(verbose))
    failures: list[BaseException] = []
    count = 0

    def sentences() -> Iterator[str]:
        nonlocal count
        try:
            for text in texts:
                count += 1
                if verbose:
                    progress.update(count, finalize=False)
                yield from _sentences(text)
        except BaseException as error:
            # SentencePiece makes a RuntimeError of it, without its type.
            failures.append(error)
            raise

    try:
        # As many threads everywhere: their number decides the rounding, and by it the model.
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=sentences(), model_writer=model, num_threads=4, minloglevel=2, **options
        )
    except RuntimeError as error:
        if failures:
            raise failures[0] from None
        raise ValueError(f"data and the options do not make a SentencePiece model: {_explained(str(error))}") from error
    if verbose and count:
        progress.update(count, finalize=True)
    return model.getvalue()


def _sentences(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        begin = 0
        while len(line) - begin > _LONGEST:
            end = line.rfind(" ", begin + 1, begin + _LONGEST)
            end = begin + _LONGEST if end < 0 else end
            yield line[begin:end]
            begin = end
        if begin < len(line):
            yield line[begin:]


def _explained(error: str) -> str:
    if "sentences_.empty()" in error:
        return "data holds no text. Pass at least one line that is not empty."
    if "smaller than required_chars" in error:
        sizes = error.partition("required_chars.")[2].partition(".")[0].strip()
        return (
            f"vocabulary_size is smaller than the characters, bytes and special tokens alone ({sizes}). Raise it, lower "
            "character_coverage, or pass byte_fallback=False."
        )
    return error
