import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn._backend import keras, tf
from kerasrnn.data import Documents, bucketed_documents
from kerasrnn.tokenizers import CharTokenizer

# Lengths; the tokens are 1, 2, 3, ... throughout, so that each tells its place. 0 is the padding.
many_lengths = st.lists(st.integers(0, 12), min_size=1, max_size=25)


def numbered(lengths):
    ends = np.cumsum(lengths)
    return [list(range(1 + end - length, 1 + end)) for end, length in zip(ends, lengths)]


def rows(dataset):
    """The inputs and targets of each row, the padding removed, and checked."""
    found = []
    for inputs, targets, weights in dataset.as_numpy_iterator():
        assert inputs.shape == targets.shape == weights.shape
        assert weights.dtype == np.float32 and inputs.dtype == targets.dtype == np.int32
        assert not inputs[weights == 0].any() and not targets[weights == 0].any()
        for row_inputs, row_targets, row_weights in zip(inputs, targets, weights):
            count = int(row_weights.sum())
            assert row_weights.tolist() == [1] * count + [0] * (len(row_weights) - count)
            found.append((row_inputs[:count].tolist(), row_targets[:count].tolist()))
    return found


@given(
    many_lengths, st.integers(1, 4), st.lists(st.integers(1, 12), max_size=3, unique=True), st.booleans(), st.booleans(),
    st.booleans(), st.booleans(), st.integers(1, 3),
)  # fmt: skip
@settings(deadline=None, max_examples=25)
def test_each_document_comes_once(lengths, batch_size, boundaries, default, shuffle, start, right_to_left, num_shards):
    documents = numbered(lengths)
    expected = []
    for document in documents:
        document = document[::-1] if right_to_left else document
        document = [999, *document, 999] if start else document
        if len(document) > 1:
            expected.append((document[:-1], document[1:]))
    options = {
        "batch_size": batch_size,
        "bucket_boundaries": None if default else sorted(boundaries),
        "shuffle": shuffle,
        "start_token_id": 999 if start else None,
        "right_to_left": right_to_left,
        "num_shards": num_shards,
        "seed": 3,
    }
    if len(expected) < num_shards:
        with pytest.raises(ValueError, match="documents must give each"):
            bucketed_documents(documents, shard_index=num_shards - 1, **options)
        return
    found = []
    for index in range(num_shards):
        dataset = bucketed_documents(documents, shard_index=index, **options)
        shapes = [targets.shape for _, targets, _ in dataset]
        assert len(shapes) == int(dataset.cardinality())
        assert all(shape[0] <= batch_size for shape in shapes)
        found += rows(dataset)
    assert sorted(found) == sorted(expected)


def test_a_batch_has_documents_of_one_bucket():
    lengths = np.random.default_rng(0).integers(2, 60, 200)
    boundaries = [10, 20, 40]
    dataset = bucketed_documents(numbered(lengths), batch_size=8, bucket_boundaries=boundaries, seed=1)
    buckets = [set(np.searchsorted(boundaries, weights.sum(axis=1)).tolist()) for *_, weights in dataset.as_numpy_iterator()]
    assert all(len(bucket) == 1 for bucket in buckets)
    assert buckets != sorted(buckets, key=min)
    padded = bucketed_documents(numbered(lengths), batch_size=8, bucket_boundaries=boundaries, pad_to_boundary=True, seed=1)
    assert {int(targets.shape[1]) for _, targets, _ in padded} == {10, 20, 40, int(lengths.max()) - 1}
    assert sorted(rows(padded)) == sorted(rows(dataset))


def test_default_buckets_waste_little():
    lengths = np.random.default_rng(0).geometric(0.02, 2000) + 1
    weights = [weights for *_, weights in bucketed_documents(numbered(lengths), batch_size=16, seed=0).as_numpy_iterator()]
    assert sum(w.sum() for w in weights) == (lengths - 1).sum()
    # One bucket of all lengths would take three times as many places as there are targets.
    assert sum(w.size for w in weights) < 1.3 * (lengths - 1).sum()


def test_the_mask_makes_padding_invisible():
    documents = numbered([3, 6, 9])
    inputs = {"token_ids": keras.Input((None,), dtype="int32", name="token_ids")}
    inputs["mask"] = keras.Input((None,), dtype="bool", name="mask")
    embedded = keras.layers.Embedding(20, 3)(inputs["token_ids"])
    states = keras.layers.Bidirectional(keras.layers.LSTM(4))(embedded, mask=inputs["mask"])
    model = keras.Model(inputs, states)
    ((batch, _, _),) = bucketed_documents(documents, bucket_boundaries=[], shuffle=False, return_mask=True)
    together = model(batch)
    for document, row in zip(documents, together):
        ((single, _, _),) = bucketed_documents([document], return_mask=True)
        np.testing.assert_allclose(model(single)[0], row, rtol=1e-5, atol=1e-6)


TEXTS = ["one", "", "three or so", "é"]


@pytest.mark.parametrize(
    "documents",
    [
        TEXTS,
        iter(TEXTS),
        Documents(lambda: iter(TEXTS)),
        np.array(TEXTS),
        tf.constant(TEXTS),
        tf.data.Dataset.from_tensor_slices(TEXTS),
        tf.ragged.constant([[ord(c) for c in text] for text in TEXTS], dtype="int32"),
        tf.data.Dataset.from_tensor_slices(tf.ragged.constant([[ord(c) for c in text] for text in TEXTS])).map(
            lambda row: tf.convert_to_tensor(row)
        ),
        [np.array([ord(c) for c in text], "uint8") for text in TEXTS],
    ],
    ids=["list", "iterator", "documents", "array", "tensor", "dataset", "ragged", "dataset of ids", "ids"],
)
def test_documents_may_come_in_many_ways(documents):
    tokenizer = CharTokenizer([chr(code) for code in range(256)], unknown_token="\0", start_token="\n")
    found = rows(bucketed_documents(documents, tokenizer, bucket_boundaries=[], shuffle=False, start_token_id=10))
    expected = [[10, *map(ord, text), 10] for text in TEXTS]
    assert found == [(document[:-1], document[1:]) for document in expected]


def test_more_texts_than_the_tokenizer_gets_at_once():
    tokenizer = CharTokenizer(["\0", "\n", "a", "b"], unknown_token="\0")
    texts = ["ab" * (i % 3) for i in range(2500)]
    found = rows(bucketed_documents(texts, tokenizer, bucket_boundaries=[], shuffle=False, start_token_id=1))
    assert [inputs for inputs, _ in found] == [[1] + [2, 3] * (i % 3) for i in range(2500)]


@pytest.mark.parametrize(
    "documents, options, error, message",
    [
        ([[1], [2]], {}, ValueError, "at least 2 tokens.*have 0 such"),
        ([], {}, ValueError, "at least 2 tokens"),
        ([[1, 2]], {"num_shards": 2}, ValueError, "each of num_shards=2 workers.*have 1 such"),
        ([[1, 2]], {"bucket_boundaries": [4, 4]}, ValueError, r"must increase, but are \[4, 4\]"),
        ([[1, 2]], {"bucket_boundaries": [0, 4]}, ValueError, "bucket_boundaries must be an integer of at least 1"),
        ([[1, 2]], {"pad_token_id": -1}, ValueError, "pad_token_id must be"),
        ([[1, -2]], {}, ValueError, r"token ids in \[0, .*has -2 at position 1"),
        (["ab"], {}, TypeError, "needs a tokenizer"),
        ([[1.5, 2]], {}, TypeError, "integers of shape"),
    ],
)
def test_bad_arguments(documents, options, error, message):
    if options.get("num_shards"):
        options = {**options, "shard_index": 1}
    with pytest.raises(error, match=message):
        bucketed_documents(documents, **options)
