"""What all window makers have in common."""

import functools
import re
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn._backend import keras, tf
from kerasrnn.data import (
    Corpus,
    TokenShards,
    bucketed_documents,
    document_streams,
    prepare_shards,
    strided_windows,
    variable_windows,
)
from kerasrnn.tokenizers import ByteTokenizer


@functools.cache
def shards():
    folder = tempfile.TemporaryDirectory()
    prepare_shards(Corpus(bytes(range(128)).decode(), "", ""), folder.name, ByteTokenizer(), shard_bytes=50)
    found = TokenShards(folder.name)
    found.folder = folder  # lives as long
    return found


DOCUMENTS = [[*range(start, start + length)] for start, length in zip(range(0, 2000, 100), [7, 1, 20, 3, 9] * 4)]
MAKERS = {
    "strided": lambda **passes: strided_windows(range(200), None, 4, 5, **passes),
    "overlapping": lambda **passes: strided_windows(range(90), None, 4, 5, 2, count_once=True, **passes),
    "variable": lambda **passes: variable_windows(range(800), None, 4, 20, **passes),
    "streams": lambda **passes: document_streams(DOCUMENTS, None, 2, 4, **passes),
    "bucketed": lambda **passes: bucketed_documents(DOCUMENTS, None, 2, **passes),
    "shards": lambda **passes: shards().epochs(4, 3, **passes),
    "streams of shards": lambda **passes: shards().epochs(4, 3, contiguous=True, **passes),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


def plain(elements):
    return [tf.nest.map_structure(lambda tensor: np.asarray(tensor).tolist(), element) for element in elements]


def test_a_seed_and_an_epoch_are_all_that_batches_depend_on(make):
    keras.utils.set_random_seed(1)
    dataset = make(seed=7, epoch=2)
    first = plain(dataset)
    keras.utils.set_random_seed(2)
    assert plain(dataset) == first == plain(make(seed=7, epoch=2))
    assert first != plain(make(seed=8, epoch=2))
    assert first != plain(make(seed=7, epoch=3))


def test_without_a_seed_the_global_one_decides(make):
    def drawn(seed):
        keras.utils.set_random_seed(seed)
        return plain(make())

    assert drawn(1) == drawn(1) != drawn(2)
    assert plain(make()) != plain(make())


@pytest.mark.one_in(3)
def test_an_interrupted_epoch_goes_on_where_it_stopped(make):
    whole = plain(make(seed=7, epoch=3)) + plain(make(seed=7, epoch=4))
    assert plain(make(seed=7, epoch=3, epochs=2)) == whole
    for start_batch in (0, 1, 3):
        rest = make(seed=7, epoch=3, epochs=2, start_batch=start_batch)
        assert plain(rest) == whole[start_batch:]
        rest = make(seed=7, epoch=4, start_batch=start_batch)
        assert int(rest.cardinality()) == int(make(seed=7, epoch=4).cardinality()) - start_batch
        assert plain(rest) == plain(make(seed=7, epoch=4))[start_batch:]
    endless = make(seed=7, epoch=3, epochs=None, start_batch=2)
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
    assert plain(endless.take(len(whole) - 2)) == whole[2:]


def test_an_epoch_stopped_behind_its_last_batch(make):
    number = int(make(seed=7).cardinality())
    assert plain(make(seed=7, start_batch=number)) == []
    with pytest.raises(ValueError, match=f"start_batch must be at most {number}, .* epoch 0, but is {number + 1}"):
        make(seed=7, start_batch=number + 1)


def test_a_checkpoint_of_the_iterator_goes_on_where_it_stopped(make, tmp_path):
    dataset = make(seed=7, epochs=3)
    whole = plain(dataset)
    iterator = iter(dataset)
    seen = [next(iterator) for _ in range(len(whole) // 2)]
    path = tf.train.Checkpoint(iterator=iterator).write(str(tmp_path / "checkpoint"))
    another = iter(make(seed=7, epochs=3))
    tf.train.Checkpoint(iterator=another).read(path).assert_consumed()
    assert plain(seen) + plain(another) == whole


def test_static_ranks(make):
    for part in tf.nest.flatten(make().element_spec):
        assert part.shape.rank == 2


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**40))
@settings(deadline=None, max_examples=10)
def test_any_seed_and_epoch(seed, epoch):
    starts = [x for token_ids, _ in strided_windows(range(50), None, 4, 5, seed=seed, epoch=epoch) for x in token_ids[:, 0]]
    assert len({int(start) for start in starts}) == len(starts)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"seed": -1}, "seed must be an integer of at least 0.*is -1"),
        ({"seed": "7"}, "seed must be an integer.*'7'"),
        ({"seed": 2**63}, "seed must be an integer"),
        ({"epoch": -1}, "epoch must be"),
        ({"epochs": 0}, "epochs must be an integer of at least 1"),
        ({"start_batch": 1.0}, "start_batch must be an integer"),
        ({"num_shards": True}, "num_shards must be an integer"),
        ({"num_shards": 2, "shard_index": 2}, "shard_index must be less than num_shards=2, but is 2"),
    ],
)
def test_bad_options(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_an_unknown_option():
    with pytest.raises(TypeError, match=re.escape("unexpected keyword argument 'sead'")):
        strided_windows(range(9), num_steps=2, sead=1)


def test_fit_gets_new_windows_each_epoch_and_distributes():
    steps = int(strided_windows(range(200), None, 4, 5).cardinality())
    seen = []

    class Recorder(keras.Model):
        def __init__(self):
            super().__init__()
            self.logits = keras.layers.Embedding(200, 200)

        def call(self, token_ids):
            seen.append(token_ids.numpy().tolist())
            return self.logits(token_ids)

    model = Recorder()
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    model.fit(strided_windows(range(200), None, 4, 5, seed=1, epochs=None), epochs=2, steps_per_epoch=steps, verbose=0)
    expected = [token_ids for token_ids, _ in plain(strided_windows(range(200), None, 4, 5, seed=1, epochs=2))]
    assert seen[-2 * steps :] == expected
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    distributed = strategy.experimental_distribute_dataset(strided_windows(range(200), None, 4, 5, seed=1))
    assert len([None for _ in distributed]) == steps
