"""What gives something else in pieces is refused, by the name of its layer."""

import re

import pytest
from masked_models import FEATURES, UNITS

from kerasrnn._backend import keras
from kerasrnn.export.writers._signatures import signatures_of

layers, ops = keras.layers, keras.ops


@keras.saving.register_keras_serializable("streaming_test")
class LastRelevant(layers.Layer):
    """What many published models do by hand: the value at the last step that the mask does not hide."""

    def call(self, x, mask=None):
        steps = ops.arange(ops.shape(x)[1])[None]
        last = ops.max(ops.where(mask, steps, 0), axis=1)
        return ops.take_along_axis(x, last[:, None, None], axis=1)[:, 0]


def last_relevant_of_a_residual():
    words = keras.Input((None,), dtype="int32", name="words")
    x = layers.Embedding(9, UNITS, mask_zero=True)(words)
    h = layers.add([layers.GRU(UNITS, return_sequences=True)(x), x])
    return keras.Model(words, layers.Dense(2)(LastRelevant(name="last_relevant")(h)))


def counted_by_hand():
    """No layer is given a mask."""
    words = keras.Input((None,), dtype="int32", name="words")
    h = layers.GRU(UNITS, return_sequences=True)(layers.Embedding(9, UNITS)(words))
    last = layers.Lambda(lambda both: ops.take_along_axis(
        both[0], ops.max(ops.where(both[1] != 0, ops.arange(ops.shape(both[1])[1])[None], 0), axis=1)[:, None, None], axis=1
    )[:, 0], name="by_hand")([h, words])  # fmt: skip
    return keras.Model(words, last)


def mean_of_all_steps():
    x = keras.Input((None, FEATURES), name="x")
    return keras.Model(x, ops.mean(layers.GRU(3, return_sequences=True)(x), axis=1))


@pytest.mark.parametrize(
    ("build_one", "reason"),
    [
        (last_relevant_of_a_residual, "last_relevant, a LastRelevant, gives something else in pieces: .* where steps are masked"),
        (counted_by_hand, "by_hand, a Lambda, gives something else in pieces: it looks at others where steps are masked"),
        (mean_of_all_steps, "mean.*, a Mean, gives something else in pieces: it looks at other steps than its own"),
    ],
)
def test_what_is_wrong_in_pieces_is_refused_by_the_layers_name(build_one, reason):
    signatures = signatures_of(build_one())
    assert "step" not in signatures
    assert re.search(reason, signatures["forward"].no_step)


def test_a_model_that_takes_no_other_length_says_so():
    x = keras.Input((5, FEATURES), name="x")
    positions = layers.Lambda(lambda h: h + ops.reshape(ops.arange(5, dtype="float32"), (1, 5, 1)), name="positions")
    h = layers.GRU(3, return_sequences=True)(positions(x))
    reason = signatures_of(keras.Model(x, h))["forward"].no_step
    assert reason.startswith("it fails in pieces: Incompatible shapes: [1,5,1] vs. [") and "/positions" in reason


def test_a_layer_that_asks_for_a_number_of_steps_is_refused():
    class Positions(layers.Layer):
        def call(self, h):
            return h + ops.reshape(ops.arange(h.shape[1], dtype="float32"), (1, -1, 1))

    x = keras.Input((5, FEATURES), name="x")
    reason = signatures_of(keras.Model(x, layers.GRU(3)(Positions(name="positions")(x))))["forward"].no_step
    assert reason.startswith("the input x has a fixed length of 5 steps, and the model takes no other: ")
