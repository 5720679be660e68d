import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn._backend import keras, tf
from kerasrnn.data import language_model_dataset
from kerasrnn.tokenizers import CharTokenizer


def batches(dataset):
    return [(token_ids.copy(), targets.copy()) for token_ids, targets in dataset.as_numpy_iterator()]


def starts(dataset):
    """The first token of each window; in a text of 0, 1, 2, ... also its place."""
    return [token_ids[:, 0].tolist() for token_ids, _ in dataset.as_numpy_iterator()]


sizes = st.tuples(st.integers(1, 5), st.integers(1, 7)).flatmap(
    lambda size: st.tuples(st.just(size[0]), st.just(size[1]), st.integers(size[0] * size[1] + 1, 90))
)


@given(sizes, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_every_way_of_cutting(size, shuffle, contiguous, drop_remainder, seed):
    batch_size, num_steps, length = size
    text = np.arange(length)
    dataset = language_model_dataset(text, None, batch_size, num_steps, shuffle, contiguous, seed, drop_remainder)
    whole_batches = contiguous or drop_remainder
    for _ in range(2):
        cut = batches(dataset)
        assert len(cut) == int(dataset.cardinality()) > 0
        for token_ids, targets in cut:
            assert token_ids.dtype == targets.dtype == np.int32
            np.testing.assert_array_equal(token_ids, token_ids[:, :1] + np.arange(num_steps))
            np.testing.assert_array_equal(targets, token_ids + 1)
        assert all(len(token_ids) == batch_size for token_ids, _ in (cut if whole_batches else cut[:-1]))

        first_ids = np.sort(np.concatenate([token_ids[:, 0] for token_ids, _ in cut]))
        assert np.all(first_ids % num_steps == first_ids[0] % num_steps)
        assert len(set(first_ids)) == len(first_ids)
        if not shuffle:
            assert first_ids[0] == 0
        num_left_out = (length - 1) // num_steps - len(first_ids)
        assert 0 <= num_left_out <= (batch_size - 1 if whole_batches else 0) + (1 if shuffle else 0)


def test_in_order():
    dataset = language_model_dataset(range(11), batch_size=2, num_steps=3, shuffle=False)
    assert starts(dataset) == starts(dataset) == [[0, 3], [6]]


@given(sizes, st.booleans())
@settings(deadline=None, max_examples=20)
def test_contiguous_batches_go_on_where_the_last_one_ended(size, shuffle):
    batch_size, num_steps, length = size
    cut = batches(language_model_dataset(np.arange(length), None, batch_size, num_steps, shuffle, contiguous=True))
    for (before, _), (after, _) in zip(cut, cut[1:]):
        np.testing.assert_array_equal(after[:, 0], before[:, -1] + 1)


@pytest.mark.parametrize("contiguous", [False, True])
def test_a_seed_repeats_the_passes_but_not_the_pass(contiguous):
    def passes(seed):
        dataset = language_model_dataset(np.arange(1000), batch_size=4, num_steps=16, contiguous=contiguous, seed=seed)
        return [starts(dataset) for _ in range(3)]

    first = passes(seed=7)
    assert first == passes(seed=7)
    assert first != passes(seed=8)
    assert passes(seed=None) != passes(seed=None)
    assert first[0] != first[1] != first[2]


def test_passes_differ_under_fit_too():
    class Recorder(keras.Model):
        def __init__(self):
            super().__init__()
            self.logits = keras.layers.Embedding(200, 200)
            self.seen = []

        def call(self, token_ids):
            self.seen.append(token_ids.numpy().tolist())
            return self.logits(token_ids)

    dataset = language_model_dataset(np.arange(200), batch_size=4, num_steps=16, seed=1)
    model = Recorder()
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    model.fit(dataset, epochs=2, verbose=0, shuffle=False)
    steps = int(dataset.cardinality())
    epochs = model.seen[-2 * steps : -steps], model.seen[-steps:]
    assert epochs[0] != epochs[1]


def test_all_offsets_occur():
    dataset = language_model_dataset(np.arange(100), num_steps=4, batch_size=100, seed=0)
    assert {min(*starts(dataset)[0]) for _ in range(40)} == {0, 1, 2, 3}


def test_text_and_its_token_ids_are_cut_alike():
    tokenizer = CharTokenizer()
    tokenizer.adapt("héllo wörld")
    text = "hello wörld! " * 5
    of_text, of_token_ids = (
        batches(language_model_dataset(given, tokenizer, batch_size=2, num_steps=5, shuffle=False))
        for given in (text, tokenizer.tokenize(text))
    )
    for pair, expected in zip(of_token_ids, of_text, strict=True):
        np.testing.assert_array_equal(pair, expected)


def test_token_ids_outside_the_vocabulary():
    tokenizer = CharTokenizer(["\ufffd", "\n", "a"])
    with pytest.raises(ValueError, match=r"\[0, 3\).* has 3 at position 2"):
        language_model_dataset([0, 1, 3, -1], tokenizer, num_steps=2)


@pytest.mark.parametrize(
    "contiguous, drop_remainder, batch", [(False, False, None), (True, False, 3), (False, True, 3)]
)
def test_full_batches_have_a_static_shape(contiguous, drop_remainder, batch):
    dataset = language_model_dataset(
        range(50), batch_size=3, num_steps=4, contiguous=contiguous, drop_remainder=drop_remainder
    )
    spec = tf.TensorSpec((batch, 4), tf.int32)
    assert dataset.element_spec == (spec, spec)


def test_distributes():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    dataset = strategy.experimental_distribute_dataset(language_model_dataset(range(50), batch_size=2, num_steps=4))
    assert len([None for _ in dataset]) == 6


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(
    "options, shortest",
    [({}, 9), ({"contiguous": True}, 25), ({"drop_remainder": True}, 25)],
)
def test_the_shortest_text(options, shortest, shuffle):
    options = {"batch_size": 3, "num_steps": 8, "shuffle": shuffle, **options}
    assert len(batches(language_model_dataset(range(shortest), **options))) == 1
    with pytest.raises(ValueError, match=f"at least {shortest} tokens.*num_steps=8.*has {shortest - 1}"):
        language_model_dataset(range(shortest - 1), **options)


def test_numpy_integers():
    dataset = language_model_dataset(np.arange(9, dtype="uint16"), None, np.int8(2), np.int32(3), shuffle=False)
    assert starts(dataset) == [[0, 3]]


@pytest.mark.parametrize("value", [0, -1, 2.0, "8", True, None])
@pytest.mark.parametrize("name", ["batch_size", "num_steps"])
def test_sizes_must_be_positive_integers(name, value):
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1"):
        language_model_dataset(range(100), **{name: value})


@pytest.mark.parametrize("seed", ["7", -1, 1.0, True, 2**63])
def test_seed_must_be_an_integer_from_0_on(seed):
    with pytest.raises(ValueError, match=f"seed must be an integer of at least 0.* is {seed!r}"):
        language_model_dataset(range(100), seed=seed)
