"""Where a text ends: before its stop string, found in the text itself, whatever tokens it was written with."""

from typing import Any

from kerasrnn._backend import tf

EVERY = 16  # tokens between two looks: each reads the whole text again, and what was drawn past the end is cut off
_NOWHERE = b"\xff"  # no byte of any UTF-8


def to_search(stop: Any) -> tuple[Any, Any]:
    """Stop strings (batch,) → what to look for, and whether any row has something that can occur.

    The empty string is off. U+FFFD stands for what is no text, so that a stop string with it never occurs: bytes
    that are half a character now may be a whole one with the next token.
    """
    stop = well_formed(stop)
    off = (stop == "") | tf.strings.regex_full_match(stop, "(?s).*\ufffd.*")
    return tf.where(off, _NOWHERE, stop), tf.reduce_any(~off)


def before(texts: Any, stop: Any) -> tuple[Any, Any]:
    """Well-formed texts (batch,) → what is before the first stop string in each, and whether there is one."""

    def row(text_and_stop: Any) -> Any:
        text, stop = text_and_stop
        pieces = tf.strings.split(text[None], sep=stop, maxsplit=1).values
        return pieces[0], tf.size(pieces) > 1

    return tf.map_fn(row, (texts, stop), fn_output_signature=(tf.string, tf.bool))


def tokens_before(texts: Any, detokenize: Any, counts: Any) -> Any:
    """How many of a row's tokens lie wholly within its text, the beginning of what was written: int32 (batch,).

    Args:
        texts: strings (batch,).
        detokenize: numbers of tokens (batch,) to the well-formed texts of as many.
        counts: numbers of tokens (batch,) that are enough.
    """
    length = tf.strings.length(texts, "UTF8_CHAR")

    def halve(least: Any, most: Any) -> Any:
        middle = (least + most + 1) // 2
        # Half a character may be more U+FFFD than the whole one: without them a text only grows.
        sure = tf.strings.regex_replace(detokenize(middle), "\ufffd+$", "")
        within = tf.strings.length(sure, "UTF8_CHAR") <= length
        return tf.where(within, middle, least), tf.where(within, most, middle - 1)

    def beyond(counts: Any) -> Any:
        return tf.strings.length(detokenize(counts), "UTF8_CHAR") > length

    most, _ = tf.while_loop(lambda least, most: tf.reduce_any(least < most), halve, [tf.zeros_like(counts), counts])
    # Less the first bytes of the stop string's own first character.
    return tf.while_loop(lambda n: tf.reduce_any(beyond(n)), lambda n: [tf.where(beyond(n), n - 1, n)], [most])[0]


def well_formed(texts: Any) -> Any:
    """Strings (batch,) with whatever is no UTF-8 replaced by U+FFFD."""
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
