"""Strings split by a regular expression, in core operations, which have only its replacement."""

import functools

from kerasrnn._backend import tf
from kerasrnn.tokenizers._code_points import CodePointTable, code_points_of, lower_case
from kerasrnn.tokenizers._symbols import FORMER_SYMBOLS
from kerasrnn.tokenizers.patterns import SPACES, SYMBOLS, UNICODE_SPACES, WORDS_AND_SYMBOLS

_WELL_FORMED = "[\\x00-\\x{d7ff}\\x{e000}-\\x{10ffff}]*"
_MARK = b"\xff"  # no byte of any UTF-8
FORMER_WORDS_AND_SYMBOLS = f"[^{SPACES}{FORMER_SYMBOLS}]+|[{FORMER_SYMBOLS}]"
# Splitting at spaces is five times as fast as finding matches.
_SYMBOLS = {WORDS_AND_SYMBOLS: SYMBOLS, FORMER_WORDS_AND_SYMBOLS: FORMER_SYMBOLS}


def split(texts: tf.Tensor, pattern: str) -> tf.RaggedTensor:
    """Strings (batch,) → the matches of a pattern, strings (batch, None)."""
    if pattern in _SYMBOLS:
        if pattern == WORDS_AND_SYMBOLS:
            texts = tf.strings.regex_replace(texts, f"[{UNICODE_SPACES}]", " ")
        return tf.strings.split(tf.strings.regex_replace(texts, f"[{_SYMBOLS[pattern]}]", r" \0 "))
    pieces = tf.strings.split(tf.strings.regex_replace(texts, pattern, _MARK + rb"\0" + _MARK), _MARK)
    # Matches and what lies between them take turns, and a row both begins and ends with the latter.
    counts = pieces.row_lengths() // 2
    row_splits = tf.concat([[0], tf.cumsum(counts)], axis=0)
    rows = tf.repeat(tf.range(tf.size(counts, tf.int64)), counts)
    places = 2 * tf.range(row_splits[-1]) + rows + 1
    return tf.RaggedTensor.from_row_splits(tf.gather(pieces.values, places), row_splits, validate=False)


def well_formed(texts: tf.Tensor) -> tf.Tensor:
    """Strings (batch,) with whatever is no UTF-8 replaced by U+FFFD."""
    return tf.cond(
        tf.reduce_all(tf.strings.regex_full_match(texts, _WELL_FORMED)),
        lambda: tf.identity(texts),
        lambda: tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace"),
    )


def lowered(texts: tf.Tensor) -> tf.Tensor:
    """Strings (batch,) with whatever is no UTF-8 replaced by U+FFFD, and each code point in its simple lower case."""

    def any_text() -> tf.Tensor:
        code_points = code_points_of(texts)
        lower = CodePointTable(lower_case(), 0)(code_points.values)
        return tf.strings.unicode_encode(code_points.with_values(tf.where(lower > 0, lower, code_points.values)), "UTF-8")

    is_common = tf.reduce_all(tf.strings.regex_full_match(texts, _without_upper_case()))
    return tf.cond(is_common, lambda: tf.strings.lower(texts), any_text)


@functools.cache
def _without_upper_case() -> str:
    """UTF-8 whose only upper case is ASCII's, as a regular expression."""
    upper = sorted(code_point for code_point in lower_case() if code_point >= 128)
    begins = [0, *(code_point + 1 for code_point in upper)]
    ranges = [(begin, end - 1) for begin, end in zip(begins, [*upper, 0x110000]) if begin < end]
    # The surrogates, which lie in one of the ranges, have no place in UTF-8.
    split = [[(begin, 0xD7FF), (0xE000, end)] if begin < 0xD800 < end else [(begin, end)] for begin, end in ranges]
    return "[" + "".join(f"\\x{{{begin:x}}}-\\x{{{end:x}}}" for parts in split for begin, end in parts) + "]*"
