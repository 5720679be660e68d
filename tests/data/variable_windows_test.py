import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.data import variable_windows


def batches(dataset):
    return [tuple(part.copy() for part in element) for element in dataset.as_numpy_iterator()]


def lengths(**options):
    return np.array([token_ids.shape[1] for token_ids, _ in batches(variable_windows(**options))])


@given(
    st.integers(2, 200), st.integers(1, 4), st.integers(1, 30), st.floats(0, 9), st.floats(0, 1), st.integers(1, 8),
    st.integers(1, 3), st.booleans(),
)  # fmt: skip
@settings(deadline=None, max_examples=30)
def test_each_token_is_predicted_once(
    length, batch_size, num_steps, deviation, half_probability, min_steps, num_shards, right_to_left
):
    num_rows = batch_size * num_shards
    length += num_rows
    shares = [
        batches(
            variable_windows(
                range(length), None, batch_size, num_steps, half_probability, deviation, min_steps, right_to_left,
                seed=5, num_shards=num_shards, shard_index=index,
            )
        )
        for index in range(num_shards)
    ]  # fmt: skip
    for cut in shares:
        for token_ids, targets in cut:
            assert len(token_ids) == batch_size
            np.testing.assert_array_equal(targets, token_ids - 1 if right_to_left else token_ids + 1)
        for (_, before), (after, _) in itertools.pairwise(cut):
            np.testing.assert_array_equal(after[:, 0], before[:, -1])
        assert all(token_ids.shape[1] >= min_steps for token_ids, _ in cut[:-1])
        # All workers make steps of the same lengths, as training together needs.
        assert [token_ids.shape[1] for token_ids, _ in cut] == [token_ids.shape[1] for token_ids, _ in shares[0]]
    found = sorted(np.concatenate([targets.ravel() for cut in shares for _, targets in cut]).tolist())
    count = (length - 1) // num_rows * num_rows
    first, least = found[0], 0 if right_to_left else 1
    assert found == [*range(first, first + count)] and least <= first <= length - 1 - count + least


def test_lengths_are_the_papers():
    drawn = lengths(text=range(70 * 2 * 4000), batch_size=2, num_steps=70, seed=0)[:-1]
    halves = drawn < 52
    assert abs(halves.mean() - 0.05) < 6 * np.sqrt(0.05 * 0.95 / len(drawn))
    # Rounding down takes half a token.
    for part, mean in ((drawn[~halves], 69.5), (drawn[halves], 34.5)):
        assert abs(part.mean() - mean) < 6 * 5 / np.sqrt(len(part))
        assert abs(part.std() - 5) < 6 * 5 / np.sqrt(2 * len(part))


def test_without_randomness_all_lengths_are_equal():
    drawn = lengths(text=range(101), batch_size=4, num_steps=10, half_probability=0, deviation=0)
    assert drawn.tolist() == [10, 10, 5]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batch_size": 30}, "at least 31 tokens.*batch_size=30.*has 30"),
        ({"half_probability": 1.5}, "half_probability must be a probability.*1.5"),
        ({"deviation": float("nan")}, "deviation must be a number of tokens.*nan"),
        ({"min_steps": 0}, "min_steps must be an integer of at least 1"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        variable_windows(range(30), **{"batch_size": 2, **options})
