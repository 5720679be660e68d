"""Text as code points, and what stands for each of them."""

import functools
from collections.abc import Mapping

import numpy as np

from kerasrnn._backend import tf

_PAGE = 256
_PAGES = 0x110000 // _PAGE


class CodePointTable:
    """A number for every code point, as two look-ups in small arrays: of its page, and of its place there.

    Args:
        numbers: Of the code points that have their own number.
        default: The number of all others.
    """

    def __init__(self, numbers: Mapping[int, int], default: int) -> None:
        used = sorted({code_point // _PAGE for code_point in numbers})
        self._offsets = np.zeros(_PAGES, "int32")
        self._offsets[used] = _PAGE * np.arange(1, len(used) + 1)
        self._numbers = np.full(_PAGE * (len(used) + 1), default, "int32")
        for code_point, number in numbers.items():
            self._numbers[self._offsets[code_point // _PAGE] + code_point % _PAGE] = number

    def __call__(self, code_points: tf.Tensor) -> tf.Tensor:
        page = tf.gather(self._offsets, tf.bitwise.right_shift(code_points, 8))
        return tf.gather(self._numbers, page + tf.bitwise.bitwise_and(code_points, _PAGE - 1))


def code_points_of(texts: tf.Tensor) -> tf.RaggedTensor:
    """Strings (batch,) → int32 (batch, None); what is no UTF-8 becomes U+FFFD."""
    content = tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8)

    # Most texts of many languages are ASCII, whose bytes are its code points, many times faster to get.
    def ascii_text() -> tuple[tf.Tensor, tf.Tensor]:
        return tf.cast(content, tf.int32), tf.cast(tf.strings.length(texts), tf.int64)

    def any_text() -> tuple[tf.Tensor, tf.Tensor]:
        decoded = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
        return decoded.values, decoded.row_lengths()

    values, lengths = tf.cond(tf.reduce_all(content < 128), ascii_text, any_text)
    return tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)


@functools.cache
def lower_case() -> dict[int, int]:
    """The code points whose lower case is another, single code point, each with that one.

    One by one and without context: all implementations can do that, and none needs a table of its own.
    """
    return {
        code_point: ord(lower)
        for code_point in range(0x110000)
        if len(lower := chr(code_point).lower()) == 1 and ord(lower) != code_point
    }
