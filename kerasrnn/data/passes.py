"""Where a dataset of windows begins, and which worker's share it holds."""

import numbers
import random
from collections.abc import Callable
from typing import Any, TypedDict

from kerasrnn._backend import tf


class PassOptions(TypedDict, total=False):
    """The keyword arguments that all window makers share.

    What is drawn at random depends on `seed` and the number of the epoch alone: neither on global seeds, nor on how
    often or how far a dataset was iterated. So the batches of any epoch can be had again, from any batch on. A dataset
    can be given to `tf.train.Checkpoint`, through its iterator, and to the tf.data service too.

    | argument | default | |
    | --- | --- | --- |
    | `seed` | None | From 0 on; None takes one from Python's generator, which `keras.utils.set_random_seed` seeds. |
    | `epoch` | 0 | The number of the first epoch. |
    | `epochs` | 1 | How many epochs the dataset holds, one after the other; None for no end. |
    | `start_batch` | 0 | How many batches of the first epoch to leave out, as they were seen before a break. |
    | `num_shards` | 1 | How many workers share the windows. |
    | `shard_index` | 0 | Which of them this is: the shares of all workers are all windows, each once. |

    A dataset is the same each time it is iterated. To have new windows in each epoch of `fit`, give it `epochs=None`
    and `steps_per_epoch`, the number of batches in an epoch: the cardinality of the dataset with `epochs=1`. (That of
    several epochs is unknown to `tf.data`.)

    Example:

    >>> from kerasrnn.data import strided_windows
    >>> def windows(**passes):
    ...     dataset = strided_windows(range(1000), batch_size=4, num_steps=8, seed=7, **passes)
    ...     return [token_ids.numpy().tolist() for token_ids, targets in dataset]
    >>> windows(epoch=5, start_batch=20) == windows(epoch=5)[20:]
    True
    >>> windows(epochs=2) == windows(epoch=0) + windows(epoch=1)
    True
    """

    seed: int | None
    epoch: int
    epochs: int | None
    start_batch: int
    num_shards: int
    shard_index: int


class Passes:
    """The options, checked, and what all window makers do with them."""

    def __init__(
        self,
        seed: int | None = None,
        epoch: int = 0,
        epochs: int | None = 1,
        start_batch: int = 0,
        num_shards: int = 1,
        shard_index: int = 0,
    ) -> None:
        self.seed = random.getrandbits(62) if seed is None else integer("seed", seed, 0)
        self.epoch = integer("epoch", epoch, 0)
        self.epochs = None if epochs is None else integer("epochs", epochs, 1)
        self.start_batch = integer("start_batch", start_batch, 0)
        self.num_shards = integer("num_shards", num_shards, 1)
        self.shard_index = integer("shard_index", shard_index, 0)
        if self.shard_index >= self.num_shards:
            raise ValueError(
                f"shard_index must be less than num_shards={num_shards}, but is {shard_index}. Workers count from 0."
            )

    def share(self, number: int) -> int:
        """How many of a number of things, dealt out in turn, this worker gets."""
        return max(0, -(-(number - self.shard_index) // self.num_shards))

    def key(self, epoch: tf.Tensor, draw: int) -> tf.Tensor:
        """A seed for stateless operations: another one for each draw of each epoch."""
        key = tf.stack([tf.constant(self.seed, tf.int64), tf.cast(epoch, tf.int64)])
        return tf.random.fold_in(key, draw)

    def order(self, number: int, epoch: tf.Tensor, draw: int, shuffle: bool) -> tf.Tensor:
        """The numbers below one, int64 of shape (number,), shuffled or not."""
        numbers_below = tf.range(number, dtype=tf.int64)
        if not shuffle:
            return numbers_below
        return tf.random.experimental.stateless_shuffle(numbers_below, self.key(epoch, draw))

    def dataset(
        self, num_batches: int | Callable[[int], int], plan: Callable[[tf.Tensor, tf.Tensor], tf.data.Dataset]
    ) -> tf.data.Dataset:
        """Joins the plans of the epochs.

        Args:
            num_batches: How many batches an epoch has, or a function from the number of an epoch to that.
            plan: From an epoch's number and the first batch wanted, both int64 of shape (), to what stands for each
                batch from there on.
        """
        most = num_batches(self.epoch) if callable(num_batches) else num_batches
        if self.start_batch > most:
            raise ValueError(
                f"start_batch must be at most {most}, the batches in epoch {self.epoch}, but is {self.start_batch}. "
                "Begin with a later epoch, and start_batch=0."
            )
        start_batch = tf.constant(self.start_batch, tf.int64)
        if self.epochs == 1:
            # So the cardinality is known, and the tf.data service can deal out single batches.
            return plan(tf.constant(self.epoch, tf.int64), start_batch)

        def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            return plan(epoch, tf.where(epoch == self.epoch, start_batch, tf.zeros_like(start_batch)))

        # No cardinality is asserted of several epochs: each of the service's workers has a part of them alone.
        last = tf.int64.max if self.epochs is None else self.epoch + self.epochs
        planned = tf.data.Dataset.range(self.epoch, last).flat_map(one_epoch)
        if self.epochs is None:
            return planned.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        return planned


def partition(length: int, num_steps: int, shortest: int, num_rows: int, shuffle: bool) -> tuple[int, int]:
    """How many windows that follow one another a text gives in each pass, and from how many offsets on.

    They are as many as there is room for from any offset below `num_steps`. The offsets are all from which they fit: with
    fewer the end of the text would never be read.

    Args:
        length: Tokens in the text.
        num_steps: Tokens in a window.
        shortest: The least length that gives a batch.
        num_rows: Of how many windows those that are read are a multiple: the rows of streams, else 1.
        shuffle: Whether offsets are drawn, or all passes begin at 0.
    """
    num_windows = (length - (min(num_steps, length - shortest + 1) if shuffle else 1)) // num_steps
    return num_windows, length - num_windows // num_rows * num_rows * num_steps if shuffle else 1


def random_offset(key: tf.Tensor, num_offsets: int, stride: int) -> tf.Tensor:
    """Where the first of windows that are `stride` apart begins: int64 of shape (), in [0, num_offsets).

    First the rest of its division by the stride is drawn, all rests alike, then one of the offsets with that rest. So windows
    that begin anywhere but at the ends of a text are equally likely, whatever its length; offsets that were all alike would
    give those with some rests twice as often.
    """
    rest = tf.random.stateless_uniform((), key, maxval=min(stride, num_offsets), dtype=tf.int64)
    strides = (num_offsets - 1 - rest) // stride + 1
    return rest + stride * tf.random.stateless_uniform((), tf.random.fold_in(key, 1), maxval=strides, dtype=tf.int64)


def integer(name: str, value: Any, least: int) -> int:
    """Returns an argument that must be an integer of at least `least`.

    Raises:
        ValueError: If it is not.

    Example:

    >>> integer("stride", 3, 1)
    3
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not least <= value < 2**63:
        raise ValueError(f"{name} must be an integer of at least {least}, of 64 bits, but is {value!r}.")
    return int(value)
