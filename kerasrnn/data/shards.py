import os
from pathlib import Path
from typing import Unpack

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.data.passes import Passes, PassOptions, integer, partition
from kerasrnn.data.prefetched import prefetched
from kerasrnn.data.shard_manifest import PARTS, check_shard, read_manifest
from kerasrnn.data.shard_windows import Cut, Part, Partition, read_tokens
from kerasrnn.tokenizers import Tokenizer, tokenizer_from_specification


class TokenShards:
    """A part of a corpus that `kerasrnn prepare` or `prepare_shards` wrote, read straight from disk.

    Args:
        path: The folder.
        part: `"train"`, `"validation"` or `"test"`.
        tokenizer: The tokenizer that the shards are expected to come from; None for any.
        verify: Whether to read all files of the part once and compare their checksums, at about a second a gigabyte.
            Sizes are compared in any case.

    Attributes:
        tokenizer: The tokenizer that made the shards.
        num_tokens: How many tokens the part has.
        num_shards: In how many files they are.
        documents: Where its documents (the files it was made of) begin, int64 of shape (documents,), in tokens.

    Raises:
        FileNotFoundError: If there is no manifest or no such shard.
        ValueError: If the manifest is of a newer version, a shard is truncated or altered, the part is empty, or the
            tokenizer is another one.

    Example:

    >>> import kerasrnn, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> corpus = kerasrnn.data.Corpus.from_texts("Call me Ishmael. " * 100)
    >>> kerasrnn.data.prepare_shards(corpus, folder.name, kerasrnn.tokenizers.CharTokenizer())
    >>> shards = TokenShards(folder.name)
    >>> for token_ids, targets in shards.dataset(batch_size=1, num_steps=7, shuffle=False).take(1):
    ...     print([shards.tokenizer.detokenize(ids[0]).numpy().decode() for ids in (token_ids, targets)])
    ['Call me', 'all me ']
    >>> folder.cleanup()
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        part: str = "train",
        tokenizer: Tokenizer | None = None,
        verify: bool = True,
    ) -> None:
        if part not in PARTS:
            raise ValueError(f"part must be one of {PARTS}, but is {part!r}.")
        folder = Path(path)
        manifest = read_manifest(folder)
        try:
            self.tokenizer = tokenizer_from_specification(manifest["tokenizer"])
        except ValueError as error:
            raise ValueError(f"The tokenizer in the manifest of {str(folder)!r} cannot be read: {error}") from error
        if tokenizer is not None and tokenizer.specification() != self.tokenizer.specification():
            raise ValueError(
                f"tokenizer must be the one that the shards in {str(folder)!r} come from, a "
                f"{type(self.tokenizer).__name__} of {self.tokenizer.vocabulary_size()} tokens, but is a "
                f"{type(tokenizer).__name__} of {tokenizer.vocabulary_size()}, with another vocabulary or other options. "
                "Use TokenShards(path).tokenizer, or prepare the corpus with yours."
            )
        shards = [shard for shard in manifest["parts"].get(part, ()) if shard["tokens"]]
        if not shards:
            raise ValueError(f"part must be one that has tokens, but {str(folder)!r} has none for {part!r}.")
        for shard in shards:
            check_shard(folder, shard, manifest["dtype"], self.tokenizer.vocabulary_size(), verify)
        lengths = [shard["tokens"] for shard in shards]
        self._part = Part([(folder / shard["file"]).resolve() for shard in shards], lengths, manifest["dtype"])
        self._name = part
        self.num_shards = len(shards)
        self.num_tokens = sum(lengths)
        begins = np.cumsum(lengths) - lengths
        self.documents = np.array(
            [begin + place for begin, shard in zip(begins, shards) for place in shard["documents"]], "int64"
        )

    def token_ids(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Reads the tokens from one place to another: int32 of shape (stop - start,)."""
        stop = self.num_tokens if stop is None else stop
        if not 0 <= start <= stop <= self.num_tokens:
            raise ValueError(
                f"start and stop must be places in [0, {self.num_tokens}], in order, but are {start} and {stop}. "
                "Stay within num_tokens."
            )
        return read_tokens(self._part, start, stop - start).astype("int32")

    def dataset(
        self,
        batch_size: int = 32,
        num_steps: int = 64,
        shuffle: bool = True,
        contiguous: bool = False,
        seed: int | None = None,
        drop_remainder: bool = False,
        right_to_left: bool = False,
    ) -> tf.data.Dataset:
        """Cuts the part into windows whose targets are their own next tokens, as `language_model_dataset` does.

        Memory holds some tens of megabytes of windows at a time. Without `shuffle` and with `contiguous`, the batches are
        those of `language_model_dataset`. With `shuffle` each pass over the dataset also draws an offset and holds every
        window from there once; but their order is random by blocks of 65,536 tokens, of which 16 at a time are read from
        anywhere in the corpus, and all their windows shuffled.

        Args:
            batch_size: Windows in a batch. The last batch may have fewer.
            num_steps: Tokens in a window.
            shuffle: Whether each pass cuts the text differently.
            contiguous: Whether row b of each batch goes on where row b of the batch before ended.
            seed: Makes the passes repeatable, as for `language_model_dataset`.
            drop_remainder: Whether to drop a last batch with fewer windows.
            right_to_left: Whether to read the part backwards, so that each target is the token *before*.

        Returns:
            A `tf.data.Dataset` of pairs (token_ids, targets), both int32 of shape (batch, num_steps).

        Raises:
            ValueError: If the part is too short for one batch, or a number is outside its range.
        """
        seed = None if seed is None else integer("seed", seed, 0)
        cut = self._cut(batch_size, num_steps, shuffle, contiguous, drop_remainder, right_to_left)
        if shuffle:
            keys = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2, drop_remainder=True)
            batches = keys.take(1).flat_map(cut.batches)
        else:
            batches = cut.batches(None)
        return prefetched(batches.apply(tf.data.experimental.assert_cardinality(cut.num_batches)))

    def epochs(
        self,
        batch_size: int = 32,
        num_steps: int = 64,
        shuffle: bool = True,
        contiguous: bool = False,
        drop_remainder: bool = False,
        right_to_left: bool = False,
        **passes: Unpack[PassOptions],
    ) -> tf.data.Dataset:
        """Cuts the part as `dataset` does, so that any epoch can be had again, from any batch on, and shared by workers.

        Workers take turns with batches, or with `contiguous` each has `batch_size` rows of its own. The tf.data service
        deals out whole epochs of several ("distributed_epoch"); one epoch it can only repeat on each of its workers
        ("parallel_epochs"), which `num_shards` and `shard_index` make parts of.

        Args:
            batch_size: Windows in a batch of one worker.
            num_steps: As for `dataset`.
            shuffle: As for `dataset`.
            contiguous: As for `dataset`.
            drop_remainder: Whether to drop a last batch with fewer windows. All workers have as many batches then.
            right_to_left: As for `dataset`.
            **passes: Seed, epochs, place to resume from, share of a worker: see `PassOptions`.

        Returns:
            A `tf.data.Dataset` of pairs (token_ids, targets), both int32 of shape (batch, num_steps).

        Raises:
            ValueError: If the part is too short for one batch of each worker, or a number is outside its range.
        """
        place = Passes(**passes)
        cut = self._cut(batch_size, num_steps, shuffle, contiguous, drop_remainder, right_to_left, place.num_shards)
        if contiguous:
            num_batches = cut.num_batches
        else:
            num_batches = cut.num_batches // place.num_shards if drop_remainder else place.share(cut.num_batches)
        if not contiguous and cut.num_batches < place.num_shards:
            raise ValueError(
                f"num_shards must be at most {cut.num_batches}, the number of batches, but is {place.num_shards}. "
                "Pass fewer workers, or a smaller num_steps or batch_size."
            )

        def plan(epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
            batches = cut.batches(place.key(epoch, 0) if shuffle else None, place.shard_index)
            if not contiguous:
                batches = batches.shard(place.num_shards, place.shard_index).take(num_batches)
            batches = batches.skip(first)
            if place.epochs != 1:
                return batches
            return batches.apply(tf.data.experimental.assert_cardinality(num_batches - first))

        return prefetched(place.dataset(num_batches, plan))

    def _cut(
        self,
        batch_size: int,
        num_steps: int,
        shuffle: bool,
        contiguous: bool,
        drop_remainder: bool,
        right_to_left: bool,
        num_shards: int = 1,
    ) -> Cut:
        batch_size, num_steps = integer("batch_size", batch_size, 1), integer("num_steps", num_steps, 1)
        full_batch = contiguous or drop_remainder
        shortest = (batch_size * (num_shards if contiguous else 1) if full_batch else 1) * num_steps + 1
        if self.num_tokens < shortest:
            raise ValueError(
                f"num_steps={num_steps} and batch_size={batch_size} need {shortest:,} tokens, for one "
                f"{'batch' if full_batch else 'window'} and a last target, but {self._name} has {self.num_tokens:,}. "
                f"Prepare a longer corpus, or pass a smaller num_steps{' or batch_size' * full_batch}."
            )
        num_rows = batch_size * num_shards if contiguous else 1
        num_windows, num_offsets = partition(self.num_tokens, num_steps, shortest, num_rows, shuffle)
        part = self._part.reversed() if right_to_left else self._part
        windows = Partition(num_windows, num_steps, num_offsets)
        return Cut(part, windows, batch_size, contiguous, full_batch, num_shards)

    def __repr__(self) -> str:
        number = self.num_shards
        return (
            f"TokenShards({self.num_tokens:,} tokens of {self._part.dtype} in {number} shard{'s' * (number > 1)}, "
            f"{self._name}, {type(self.tokenizer).__name__})"
        )
