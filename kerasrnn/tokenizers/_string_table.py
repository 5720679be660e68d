"""The place of strings in a list, without a lookup table, which an exported model would have to own."""

from collections.abc import Sequence

import numpy as np

from kerasrnn._backend import tf

_HASHES = 2**62


class StringTable:
    """The place of each string in a list of distinct ones, or `default`.

    Hashes lie sorted, and few begin with the same bits: the table of where those begin is followed by as many
    comparisons as share a beginning at most. The string found is compared itself, so that no hash can deceive.
    """

    def __init__(self, strings: Sequence[str], default: int) -> None:
        # Captured by graphs rather than written into them: TensorFlow copies a constant of strings at every call.
        with tf.init_scope():
            found = tf.constant([string.encode() for string in strings], tf.string, shape=(len(strings),))
            hashes = tf.strings.to_hash_bucket_fast(found, _HASHES).numpy()
            order = np.argsort(hashes, kind="stable")
            bits = (4 * len(hashes) - 1).bit_length()
            self._shift = 62 - bits
            beginnings = hashes[order] >> self._shift
            self._depth = int(np.bincount(beginnings).max())
            self._first = np.searchsorted(beginnings, np.arange(2**bits)).astype("int32")
            self._hashes = np.concatenate([hashes[order], np.full(self._depth, -1)])
            self._places = np.concatenate([order, np.zeros(self._depth, "int64")]).astype("int32")
            self._strings = tf.gather(found, self._places)
        self._default = default

    def __call__(self, strings: tf.Tensor) -> tf.Tensor:
        hashes = tf.strings.to_hash_bucket_fast(strings, _HASHES)
        first = tf.gather(self._first, tf.bitwise.right_shift(hashes, self._shift))
        entry = first
        for further in range(1, self._depth):
            entry = tf.where(tf.gather(self._hashes, first + further) == hashes, first + further, entry)
        known = tf.gather(self._strings, entry) == strings
        return tf.where(known, tf.gather(self._places, entry), self._default)
