import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasrnn
from kerasrnn._backend import keras
from kerasrnn.data import document_streams


def numbered(lengths):
    """Documents of the tokens 1, 2, 3, ... throughout, so that each tells its place."""
    ends = np.cumsum(lengths)
    return [list(range(1 + end - length, 1 + end)) for end, length in zip(ends, lengths)]


def streams(dataset):
    """Each row over all batches: inputs, resets, targets and weights, (rows, batches · num_steps)."""
    elements = [(inputs["token_ids"], inputs["resets"], *rest) for inputs, *rest in dataset.as_numpy_iterator()]
    assert len(elements) == int(dataset.cardinality())
    return [np.concatenate(part, axis=1) for part in zip(*elements)]


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=12), st.integers(1, 3), st.integers(1, 6), st.booleans(),
    st.booleans(), st.booleans(), st.booleans(), st.integers(1, 2), st.integers(0, 3),
)  # fmt: skip
@settings(deadline=None, max_examples=25)
def test_each_token_is_predicted_once_from_its_own_document(
    lengths, batch_size, num_steps, align, shuffle, start, right_to_left, num_shards, epoch
):
    documents = numbered(lengths)
    options = {
        "batch_size": batch_size,
        "num_steps": num_steps,
        "shuffle": shuffle,
        "start_token_id": 999 if start else None,
        "align": align,
        "right_to_left": right_to_left,
        "seed": 9,
        "epoch": epoch,
        "num_shards": num_shards,
    }
    directed = [document[::-1] if right_to_left else document for document in documents]
    directed = [[999, *document, 999] if start else document for document in directed]
    expected = sorted(pair for document in directed for pair in itertools.pairwise(document))
    if not expected:
        with pytest.raises(ValueError, match="at least 2 tokens"):
            document_streams(documents, **options)
        return
    found = []
    for index in range(num_shards):
        token_ids, resets, targets, weights = streams(document_streams(documents, shard_index=index, **options))
        assert len(token_ids) == batch_size
        assert (token_ids.dtype, resets.dtype, targets.dtype, weights.dtype) == (np.int32, bool, np.int32, np.float32)
        counts = weights > 0
        found += zip(token_ids[counts].tolist(), targets[counts].tolist())
        assert not token_ids[~counts].any() and not targets[~counts].any()
        assert resets[:, 0].all()
        if align:
            assert not resets.reshape(batch_size, -1, num_steps)[..., 1:].any()
        firsts = {document[0] for document in directed if len(document) > 1}
        # A token goes on from the one before it, or has a mark; and a mark stands at beginnings alone.
        goes_on = counts[:, 1:] & ~resets[:, 1:]
        np.testing.assert_array_equal(token_ids[:, 1:][goes_on], targets[:, :-1][goes_on])
        assert counts[:, :-1][goes_on].all()
        assert {*token_ids[:, 1:][resets[:, 1:]].tolist()} <= firsts
        begins = np.isin(token_ids, [*firsts]) & counts
        assert resets[begins].all()
    assert sorted(found) == expected


def test_epochs_begin_with_other_documents():
    documents = numbered([4] * 10)
    # 30 targets an epoch, in 10 batches.
    elements = [*document_streams(documents, None, 1, 3, seed=0, epochs=60).as_numpy_iterator()]
    firsts = [inputs["token_ids"][0, 0] for inputs, _, _ in elements[::10]]
    assert {*firsts} == {document[0] for document in documents}
    assert streams(document_streams(documents, None, 1, 3, shuffle=False))[0][0, 0] == 1


@pytest.mark.parametrize("layer", ["LSTM", "GRU"])
def test_a_reset_layer_computes_what_it_would_from_each_document_alone(layer):
    """With the recipe of the docstring, windows and neighbours have no part in a document's outputs."""
    documents = numbered([7, 2, 12, 5, 3, 9])
    embedding = keras.layers.Embedding(50, 3, embeddings_initializer=keras.initializers.RandomNormal(seed=1))
    stateful, plain = (getattr(kerasrnn.layers, layer)(4, return_sequences=True, stateful=s, seed=2) for s in (True, False))
    plain.build((None, None, 3))
    stateful.build((1, 4, 3))
    for ours, theirs in zip(stateful.trainable_variables, plain.trainable_variables, strict=True):
        ours.assign(theirs)
    expected = {}
    for document in documents:
        outputs = plain(embedding(np.array([document[:-1]])))[0].numpy()
        expected.update(zip(document[:-1], outputs))
    seen = set()
    for inputs, _, weights in document_streams(documents, None, 1, 4, align=True, seed=3):
        keep = 1 - keras.ops.cast(inputs["resets"][:, :1], "float32")
        for state in stateful.states:
            state.assign(state * keep)
        outputs = stateful(embedding(inputs["token_ids"]))
        for token_id, output, weight in zip(inputs["token_ids"][0].numpy(), outputs[0].numpy(), weights[0].numpy()):
            if weight:
                seen.add(int(token_id))
                np.testing.assert_allclose(output, expected[token_id], rtol=1e-5, atol=1e-6)
    assert seen == {*expected}


def test_one_text_is_one_document():
    token_ids, resets, targets, weights = streams(document_streams(range(1, 10), None, 2, 3))
    assert token_ids.tolist() == [[1, 2, 3, 4, 5, 6], [7, 8, 0, 0, 0, 0]]
    assert targets.tolist() == [[2, 3, 4, 5, 6, 7], [8, 9, 0, 0, 0, 0]]
    assert resets.tolist() == [[True] + [False] * 5] * 2
    assert weights.sum() == 8


@pytest.mark.parametrize(
    "documents, options, error, message",
    [
        ([[1], []], {}, ValueError, "at least 2 tokens.*start_token_id"),
        ([[1, 2]], {"num_steps": 0}, ValueError, "num_steps must be an integer of at least 1"),
        ([[1, 2]], {"start_token_id": -1}, ValueError, r"\[0, .*has -1"),
        (["ab"], {}, TypeError, "needs a tokenizer"),
    ],
)
def test_bad_arguments(documents, options, error, message):
    with pytest.raises(error, match=message):
        document_streams(documents, **options)
