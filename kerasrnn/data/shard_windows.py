"""Windows of a corpus that lies in files, read block by block: pure functions inside `tf.data`.

A block is a run of windows that begin in one shard. Its tokens are one record of a file, and, where its last windows
reach beyond the shard, the beginning of what follows, which is held in memory.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.data.passes import random_offset
from kerasrnn.data.shard_manifest import TYPES

_BLOCK = 1 << 16  # tokens read at once
_SHUFFLED = 16  # blocks whose windows are shuffled among each other
_STREAMED = 1 << 16  # tokens of a row read at once, but no more than
_STREAMED_TOGETHER = 1 << 20  # tokens of all rows of a batch
_BUFFER = 1 << 16  # bytes; a reader reads its way to a place in a file by so many
_READERS = 4


class Part(NamedTuple):
    """The files of one part, in order, with how many tokens each has; none of them is empty.

    Backwards the last file is the first, and each is read from its end.
    """

    files: list[Path]
    lengths: list[int]
    dtype: str
    backwards: bool = False

    def reversed(self) -> "Part":
        return Part(self.files[::-1], self.lengths[::-1], self.dtype, not self.backwards)

    def following(self, number: int) -> list[bytes]:
        """For each file the tokens that follow it, so many at most, as the files have them; backwards those before it."""
        ends = [int(end) for end in np.cumsum(self.lengths)]
        if not self.backwards:
            return [read_tokens(self, end, number).tobytes() for end in ends]
        forwards, begins = self.reversed(), [ends[-1] - end for end in ends]
        return [read_tokens(forwards, max(0, begin - number), min(begin, number)).tobytes() for begin in begins]


class Partition(NamedTuple):
    """Windows that follow one another: how many, of how many tokens, from one of how many offsets on."""

    num_windows: int
    num_steps: int
    num_offsets: int

    def offset(self, key: tf.Tensor) -> tf.Tensor:
        return random_offset(key, self.num_offsets, self.num_steps)


class Cut(NamedTuple):
    """A part cut into batches of windows, for one or more workers."""

    part: Part
    partition: Partition
    batch_size: int
    contiguous: bool
    full_batch: bool
    num_workers: int

    @property
    def num_batches(self) -> int:
        """Of all workers together; of streams, of each."""
        if self.contiguous:
            return self.partition.num_windows // (self.batch_size * self.num_workers)
        number = self.partition.num_windows
        return number // self.batch_size if self.full_batch else -(-number // self.batch_size)

    def batches(self, key: tf.Tensor | None, worker: int = 0) -> tf.data.Dataset:
        """Inputs and targets, int32 of shape (batch, num_steps) each, of one pass: of all workers, but of streams of one."""
        if self.contiguous:
            first_row = self.batch_size * worker
            groups = stream_windows(self.part, self.partition, self.batch_size, self.num_batches, first_row, key)
        else:
            groups = block_windows(self.part, self.partition, key)

        def pair(windows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            windows = tf.cast(tf.ensure_shape(windows, (None, self.partition.num_steps + 1)), tf.int32)
            return windows[:, :-1], windows[:, 1:]

        # Of many windows at once, as a function for each batch would take longer than all else.
        pairs = groups.map(pair, num_parallel_calls=2).prefetch(1)
        return pairs.rebatch(self.batch_size, drop_remainder=self.full_batch)


def read_tokens(part: Part, start: int, number: int) -> np.ndarray:
    """Up to so many tokens from a place in the part, from as many files as it takes."""
    found = []
    for file, length in zip(part.files, part.lengths):
        if number > 0 and start < length:
            size = np.dtype(part.dtype).itemsize
            found.append(np.fromfile(file, TYPES[part.dtype], min(number, length - start), offset=start * size))
            number -= len(found[-1])
        start = max(0, start - length)
    return np.concatenate(found) if found else np.zeros(0, TYPES[part.dtype])


def block_windows(part: Part, partition: Partition, key: tf.Tensor | None) -> tf.data.Dataset:
    """Groups of windows (group, num_steps + 1), in order, or with a key shuffled.

    With a key the blocks come in random order, and the windows of `_SHUFFLED` blocks at a time are shuffled.
    """
    num_steps = partition.num_steps
    size = max(1, _BLOCK // num_steps)
    ends = tf.constant(np.cumsum(part.lengths), tf.int64)
    begins = ends - tf.constant(part.lengths, tf.int64)
    offset = tf.constant(0, tf.int64) if key is None else partition.offset(key)
    first = tf.clip_by_value(-((offset - begins) // num_steps), 0, partition.num_windows)
    last = tf.clip_by_value(-((offset - ends) // num_steps), 0, partition.num_windows)
    num_blocks = -((first - last) // size)
    place = tf.ragged.range(num_blocks)
    starts = tf.repeat(first, num_blocks) + place.values * size
    blocks = tf.stack([offset + starts * num_steps, tf.minimum(tf.repeat(last, num_blocks) - starts, size)], axis=1)
    if key is None:
        return _read(tf.data.Dataset.from_tensor_slices(blocks), part, num_steps, num_steps)
    blocks = tf.data.Dataset.from_tensor_slices(tf.random.experimental.stateless_shuffle(blocks, key))
    groups = _read(blocks, part, num_steps, num_steps).rebatch(size * _SHUFFLED).enumerate()

    def shuffled(number: tf.Tensor, windows: tf.Tensor) -> tf.Tensor:
        order = tf.range(tf.shape(windows)[0])
        return tf.gather(windows, tf.random.experimental.stateless_shuffle(order, tf.random.fold_in(key, number)))

    return groups.map(shuffled, num_parallel_calls=2).prefetch(1)


def stream_windows(
    part: Part, partition: Partition, batch_size: int, num_batches: int, first_row: int, key: tf.Tensor | None
) -> tf.data.Dataset:
    """Groups of windows (times · batch_size, num_steps + 1): row b of a batch goes on where that of the one before ended."""
    num_steps = partition.num_steps
    size = max(1, min(_STREAMED, _STREAMED_TOGETHER // batch_size) // num_steps)
    offset = tf.constant(0, tf.int64) if key is None else partition.offset(key)

    def rows(group: tf.Tensor) -> tf.data.Dataset:
        windows = (first_row + tf.range(batch_size, dtype=tf.int64)) * num_batches + group * size
        number = tf.minimum(num_batches - group * size, size)
        return tf.data.Dataset.from_tensor_slices(
            tf.stack([offset + windows * num_steps, tf.repeat(number, batch_size)], axis=1)
        )

    blocks = tf.data.Dataset.range(-(-num_batches // size)).flat_map(rows)
    streams = _read(blocks, part, num_steps, size * num_steps).batch(batch_size, drop_remainder=True)
    groups = streams.map(
        lambda windows: tf.reshape(tf.transpose(windows, (1, 0, 2)), (-1, num_steps + 1)), num_parallel_calls=2
    )
    return groups.prefetch(1)


def _read(blocks: tf.data.Dataset, part: Part, num_steps: int, beyond: int) -> tf.data.Dataset:
    """Blocks (first token, number of windows) → their windows (number, num_steps + 1), in the type of the files.

    Args:
        beyond: How many tokens a block may reach beyond the shard that it begins in.
    """
    itemsize = np.dtype(part.dtype).itemsize
    ends = np.cumsum(part.lengths)
    files = tf.constant([str(file) for file in part.files])
    following = tf.constant(part.following(beyond))
    # TensorFlow does not decode uint32; ids are below 2³¹.
    decoded = tf.int32 if itemsize == 4 else tf.as_dtype(part.dtype)

    def record(block: tf.Tensor) -> tf.data.Dataset:
        start, number = block[0], block[1]
        shard = tf.reduce_sum(tf.cast(ends <= start, tf.int32))
        left = (tf.gather(ends, shard) - start) * itemsize
        needed = (number * num_steps + 1) * itemsize
        size = tf.minimum(left, needed)
        length = tf.gather(np.array(part.lengths, "int64"), shard) * itemsize
        header = left - size if part.backwards else length - left
        content = tf.data.FixedLengthRecordDataset(
            tf.gather(files, shard), size, header, footer_bytes=length - header - size, buffer_size=_BUFFER
        )
        over = needed - size
        rest = tf.strings.substr(tf.gather(following, shard), -over if part.backwards else tf.zeros_like(over), over)
        return content.map(lambda content: (rest + content if part.backwards else content + rest, number))

    def windows(content: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        tokens = tf.io.decode_raw(content, decoded)[:: -1 if part.backwards else 1]
        shifted = tf.reshape(tokens[1:], (number, num_steps))
        return tf.concat([tf.reshape(tokens[:-1], (number, num_steps)), shifted[:, -1:]], axis=1)

    # Each has one record: they come in order, and the next ones are opened meanwhile.
    records = blocks.interleave(record, cycle_length=_READERS, block_length=1, num_parallel_calls=2, deterministic=True)
    return records.map(windows, num_parallel_calls=2)
