import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn._backend import keras, tf
from kerasrnn.data import language_model_dataset, strided_windows
from kerasrnn.tokenizers import CharTokenizer

# (num_steps, stride, batch_size, length)
sizes = st.tuples(st.integers(1, 7), st.integers(1, 9), st.integers(1, 4)).flatmap(
    lambda size: st.tuples(*map(st.just, size), st.integers(size[0] + 1, 70))
)


def batches(dataset):
    return [tuple(part.copy() for part in element) for element in dataset.as_numpy_iterator()]


def predicted(cut):
    """The targets that count, of a text of 0, 1, 2, ..."""
    return sorted(np.concatenate([targets[weights > 0] for _, targets, weights in cut]).tolist())


@given(sizes, st.booleans(), st.integers(0, 3))
@settings(deadline=None, max_examples=25)
def test_windows_are_a_stride_apart_and_leave_out_the_ends_alone(size, shuffle, epoch):
    num_steps, stride, batch_size, length = size
    dataset = strided_windows(range(length), None, batch_size, num_steps, stride, shuffle, seed=3, epoch=epoch)
    cut = batches(dataset)
    assert len(cut) == int(dataset.cardinality()) > 0
    for token_ids, targets in cut:
        assert token_ids.dtype == targets.dtype == np.int32
        np.testing.assert_array_equal(token_ids, token_ids[:, :1] + np.arange(num_steps))
        np.testing.assert_array_equal(targets, token_ids + 1)
    starts = np.sort(np.concatenate([token_ids[:, 0] for token_ids, _ in cut]))
    np.testing.assert_array_equal(np.diff(starts), stride)
    left_out = length - 1 - num_steps - starts[-1]
    assert starts[0] == 0 or shuffle
    assert left_out >= 0 and starts[0] + left_out < (2 * stride - 1 if shuffle else stride)


@given(sizes.filter(lambda size: size[1] <= size[0]), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=25)
def test_count_once_predicts_each_token_once(size, shuffle, right_to_left):
    num_steps, stride, batch_size, length = size
    cut = batches(
        strided_windows(
            range(length), None, batch_size, num_steps, stride, shuffle, count_once=True, right_to_left=right_to_left, seed=1
        )
    )
    assert predicted(cut) == ([*range(length - 1)] if right_to_left else [*range(1, length)])
    for token_ids, targets, weights in cut:
        np.testing.assert_array_equal(targets, token_ids - 1 if right_to_left else token_ids + 1)
        first_window = token_ids[:, 0] == (length - 1 if right_to_left else 0)
        assert not weights[~first_window, : num_steps - stride].any()


@given(sizes, st.integers(1, 4), st.booleans())
@settings(deadline=None, max_examples=20)
def test_the_shares_of_all_workers_are_all_windows_once(size, num_shards, shuffle):
    num_steps, stride, _, length = size

    def starts(**passes):
        dataset = strided_windows(range(length), None, 3, num_steps, stride, shuffle, seed=4, epoch=2, **passes)
        return [start for token_ids, _ in batches(dataset) for start in token_ids[:, 0].tolist()]

    whole = starts()
    if len(whole) < num_shards:
        with pytest.raises(ValueError, match="each of num_shards"):
            starts(num_shards=num_shards, shard_index=num_shards - 1)
        return
    shares = [starts(num_shards=num_shards, shard_index=index) for index in range(num_shards)]
    assert sorted(itertools.chain(*shares)) == sorted(whole)
    assert len({*whole}) == len(whole)


def test_workers_have_as_many_batches_where_the_remainder_is_dropped():
    shares = [
        strided_windows(range(100), None, 2, 4, drop_remainder=True, num_shards=3, shard_index=index) for index in range(3)
    ]
    assert [len(batches(share)) for share in shares] == [int(share.cardinality()) for share in shares] == [4, 4, 4]
    assert shares[0].element_spec == (tf.TensorSpec((2, 4), tf.int32),) * 2


@given(st.lists(st.integers(0, 5), min_size=2, max_size=40))
@settings(deadline=None, max_examples=10)
def test_right_to_left_is_the_reversed_text(token_ids):
    for make in (strided_windows, language_model_dataset):
        backwards = batches(make(token_ids, None, 2, 1, shuffle=False, right_to_left=True))
        for found, expected in zip(backwards, batches(make(token_ids[::-1], None, 2, 1, shuffle=False)), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_as_many_batches_as_language_model_dataset():
    for length in (5, 8, 9, 16, 17, 20, 25, 48, 51):
        ours = strided_windows(range(length), None, 3, 4).cardinality()
        assert int(ours) == int(language_model_dataset(range(length), None, 3, 4).cardinality())


def test_all_offsets_occur_and_orders_are_unbiased():
    cut = batches(strided_windows(range(21), None, 100, 4, seed=0, epochs=600))
    starts = np.array([token_ids[:, 0] for token_ids, _ in cut])
    offsets = starts.min(axis=1)
    places = np.array([np.bincount(place, minlength=4) for place in ((starts - offsets[:, None]) // 4).T])
    assert {*offsets} == {0, 1, 2, 3, 4}  # 0 and 4 share what the others have alone
    offsets = np.bincount(offsets % 4, minlength=4)
    # Six standard deviations of a binomial count.
    assert np.all(abs(offsets - 150) < 6 * np.sqrt(600 * 1 / 4 * 3 / 4))
    assert np.all(abs(places - 150) < 6 * np.sqrt(600 * 1 / 4 * 3 / 4))


def test_evaluation_weighs_each_token_once():
    """The loss of a model that knows one token's context does not depend on batch size, steps or stride."""
    logits = keras.Sequential([keras.layers.Embedding(5, 5)])
    logits.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"))
    text = np.random.default_rng(0).integers(0, 5, 101)
    losses = []
    for batch_size, num_steps, stride in [(1, 100, 100), (7, 9, 9), (4, 30, 7)]:
        dataset = strided_windows(text, None, batch_size, num_steps, stride, count_once=True)
        total = sum(float(logits.loss(y, logits(x), w)) for x, y, w in dataset)
        losses.append(total / sum(float(tf.reduce_sum(w)) for _, _, w in dataset))
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)


def test_text_and_its_token_ids_are_cut_alike():
    tokenizer = CharTokenizer()
    tokenizer.adapt("héllo wörld")
    text = "hello wörld! " * 5
    of_text, of_token_ids = (
        batches(strided_windows(given, tokenizer, 2, 5, seed=1)) for given in (text, tokenizer.tokenize(text))
    )
    for found, expected in zip(of_token_ids, of_text, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_steps": 20}, "at least 21 tokens.*num_steps=20.*has 20"),
        ({"num_steps": 4, "stride": 5, "count_once": True}, "stride must be at most num_steps=4.*is 5"),
        ({"num_steps": 4, "stride": 0}, "stride must be an integer of at least 1.*is 0"),
        ({"num_steps": 4, "batch_size": 2.0}, "batch_size must be an integer"),
        ({"num_steps": 4, "batch_size": 5, "drop_remainder": True}, "one batch of batch_size=5.*gives 4 windows"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        strided_windows(range(20), **options)
