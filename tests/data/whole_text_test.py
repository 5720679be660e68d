"""Over many passes every token of a text is a target, and windows that begin anywhere within it are equally likely."""

import collections

import numpy as np
import pytest

from kerasrnn.data import Corpus, TokenShards, language_model_dataset, prepare_shards, strided_windows, variable_windows
from kerasrnn.tokenizers import ByteTokenizer

PASSES, STEPS, FIRST = 200, 8, 33
LENGTHS = (9, 16, 17, 23, 24, 25, 31, 40, 47, 48, 71)  # whole windows and a rest of none to all but one token


def of_shards(ids, folder, **options):
    if not folder.exists():
        prepare_shards(Corpus("".join(map(chr, ids)), "", ""), folder, ByteTokenizer())
    return TokenShards(folder).dataset(num_steps=STEPS, **options)


def whole(ids, folder, batch_size, **options):
    return language_model_dataset(ids, batch_size=batch_size, num_steps=STEPS, seed=1, **options)


def one_epoch(make, **options):
    return lambda ids, folder, batch_size: make(ids, batch_size=batch_size, num_steps=STEPS, seed=1, epochs=PASSES, **options)


MAKERS = {
    "windows": whole,
    "windows, backwards": lambda *given: whole(*given, right_to_left=True),
    "streams": lambda *given: whole(*given, contiguous=True),
    "full batches": lambda *given: whole(*given, drop_remainder=True),
    "strided": one_epoch(strided_windows),
    "strided, apart": one_epoch(strided_windows, stride=STEPS + 3),
    "strided, overlapping": one_epoch(strided_windows, stride=3),
    "of varying lengths": one_epoch(variable_windows, deviation=2.0, min_steps=2),
    "shards": lambda ids, folder, batch_size: of_shards(ids, folder, batch_size=batch_size, seed=1),
    "streams of shards": lambda ids, folder, batch_size: of_shards(ids, folder, batch_size=batch_size, seed=1, contiguous=True),
}


def visits(name, length, batch_size, folder):
    """How often each place of the text was a target, and the beginning of a window."""
    targets, begins = collections.Counter(), collections.Counter()
    dataset = MAKERS[name](np.arange(FIRST, FIRST + length), folder / "shards", batch_size)
    if name.startswith(("windows", "streams", "full", "shards")):  # the others hold all epochs
        dataset = dataset.repeat(PASSES)
    for token_ids, nexts in dataset.as_numpy_iterator():
        targets.update((nexts - FIRST).ravel().tolist())
        begins.update((token_ids[:, 0] - FIRST).tolist())
    return targets, begins


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.one_in(4)
def test_every_token_is_a_target(name, length, tmp_path):
    batch_size = 2 if length > 2 * STEPS and name != "windows" else 1
    targets, _ = visits(name, length, batch_size, tmp_path)
    first = 0 if "backwards" in name else 1
    assert sorted(targets) == list(range(first, length - 1 + first))


@pytest.mark.parametrize("name", ["windows", "strided", "shards"])
def test_windows_anywhere_within_are_equally_likely(name, tmp_path):
    length, expected = 5 * STEPS + 4, PASSES / STEPS
    _, begins = visits(name, length, 1, tmp_path)
    within = [begins[place] for place in range(STEPS, length - 2 * STEPS)]
    # Five deviations of a binomial distribution; offsets that were all alike would give half of them a third less.
    assert np.abs(np.array(within) - expected).max() < 5 * np.sqrt(expected)
    by_rest = [np.mean([begins[place] for place in range(STEPS + rest, length - 2 * STEPS, STEPS)]) for rest in range(STEPS)]
    assert np.abs(np.array(by_rest) - expected).max() < 5 * np.sqrt(expected)
