"""Cells against the NumPy reference, and against Keras's cells in configuration and weights."""

import keras
import numpy as np
import pytest
from reference import cells as reference

from kerasrnn.cells import (
    Cell,
    GRUCell,
    IndRNNCell,
    LayerNormLSTMCell,
    LSTMCell,
    MinGRUCell,
    RGLRUCell,
    SimpleRNNCell,
    SRUCell,
)

UNITS, FEATURES, BATCH = 4, 3, 2

CELLS = {
    "simple_rnn": (SimpleRNNCell, keras.layers.SimpleRNNCell, {}),
    "lstm": (LSTMCell, keras.layers.LSTMCell, {}),
    "gru": (GRUCell, keras.layers.GRUCell, {}),
    "gru_reset_before": (GRUCell, keras.layers.GRUCell, {"reset_after": False}),
}


def distinct(shape, scale=0.1):
    """Weights that are all different, so that a swapped pair shows."""
    size = int(np.prod(shape))
    return scale * np.sin(1.7 * np.arange(size) + 0.3).reshape(shape).astype("float32")


def built(cls, **kwargs):
    cell = cls(UNITS, **kwargs)
    cell.build((BATCH, FEATURES))
    cell.built = True
    cell.set_weights([distinct(w.shape, 0.5) for w in cell.get_weights()])
    return cell


@pytest.mark.parametrize("name", CELLS)
def test_step_equals_the_equations(name):
    ours, _, kwargs = CELLS[name]
    cell = built(ours, **kwargs)
    inputs, h, c = distinct((BATCH, FEATURES), 1.0), distinct((BATCH, UNITS), 0.7), distinct((BATCH, UNITS), 0.9)
    weights = [np.asarray(w, np.float64) for w in cell.get_weights()]
    if name == "lstm":
        expected_h, expected_c = reference.lstm(inputs, h, c, *weights)
        output, (new_h, new_c) = cell(inputs, [h, c])
        np.testing.assert_allclose(new_c, expected_c, rtol=1e-5)
    elif name == "simple_rnn":
        expected_h = reference.simple_rnn(inputs, h, *weights)
        output, (new_h,) = cell(inputs, [h])
    else:
        expected_h = reference.gru(inputs, h, *weights, reset_after=kwargs.get("reset_after", True))
        output, (new_h,) = cell(inputs, [h])
    np.testing.assert_allclose(output, expected_h, rtol=1e-5)
    np.testing.assert_allclose(new_h, expected_h, rtol=1e-5)


@pytest.mark.parametrize(
    ("cell", "options", "equations"),
    [(LSTMCell, {"peepholes": True}, reference.peephole_lstm), (LSTMCell, {"projection": 2}, reference.projected_lstm),
     (LayerNormLSTMCell, {}, reference.layer_norm_lstm), (IndRNNCell, {}, reference.ind_rnn), (SRUCell, {}, reference.sru),
     (MinGRUCell, {}, reference.min_gru), (RGLRUCell, {}, reference.rg_lru)],
)  # fmt: skip
def test_step_of_the_other_cells_equals_the_equations(cell, options, equations):
    cell = built(cell, **options)
    inputs = distinct((BATCH, FEATURES), 1.0)
    states = [distinct((BATCH, size), scale) for size, scale in zip(keras.tree.flatten(cell.state_size), (0.7, 0.9))]
    expected = equations(inputs, *states, *(np.asarray(w, np.float64) for w in cell.get_weights()))
    expected = expected if isinstance(expected, tuple) else (expected,)
    output, new_states = cell(inputs, states)
    np.testing.assert_allclose(output, expected[0], rtol=1e-5)
    np.testing.assert_allclose(new_states[-1], expected[-1], rtol=1e-5)
    config = cell.get_config()
    assert type(cell).from_config(config).get_config() == config


def test_a_cell_without_a_recurrent_product_has_no_recurrent_dropout():
    with pytest.raises(ValueError, match="recurrent_dropout"):
        MinGRUCell(3, recurrent_dropout=0.1)


def test_decays_begin_where_the_paper_has_them():
    cell = RGLRUCell(5)
    cell.build((1, 3))
    slowest, fastest = np.exp(-8 * np.log1p(np.exp(cell.decay.numpy())))[[-1, 0]]
    assert (slowest, fastest) == (pytest.approx(0.999, abs=1e-4), pytest.approx(0.9, abs=1e-4))


@pytest.mark.parametrize("name", CELLS)
def test_configuration_round_trip(name):
    ours, theirs, kwargs = CELLS[name]
    cell = ours(UNITS, activation="relu", dropout=0.2, recurrent_dropout=0.3, use_bias=False, seed=3,
                kernel_initializer=keras.initializers.HeNormal(seed=1), recurrent_regularizer="l2",
                bias_constraint="non_neg", **kwargs)  # fmt: skip
    config = cell.get_config()
    assert ours.from_config(config).get_config() == config
    # A configuration of Keras's cell makes ours: same names, same meanings.
    keras_config = theirs(UNITS, dropout=0.2, **kwargs).get_config()
    assert {k: v for k, v in ours.from_config(keras_config).get_config().items() if k != "name"} == {
        k: v for k, v in keras_config.items() if k != "name"
    }


@pytest.mark.parametrize("name", CELLS)
def test_initial_weights_are_keras_s(name):
    ours, theirs, kwargs = CELLS[name]
    weights = []
    for cls in (ours, theirs):
        initializers = {
            "kernel_initializer": keras.initializers.GlorotUniform(seed=1),
            "recurrent_initializer": keras.initializers.Orthogonal(seed=2),
        }
        cell = cls(UNITS, **initializers, **kwargs)
        cell.build((BATCH, FEATURES))
        weights.append([(w.name, w.numpy()) for w in cell.trainable_weights])
    for (our_name, ours_value), (their_name, theirs_value) in zip(*weights, strict=True):
        assert our_name == their_name
        np.testing.assert_array_equal(ours_value, theirs_value)


def test_without_bias_and_with_one_mask_a_gate():
    cell = built(LSTMCell, use_bias=False, recurrent_dropout=0.5)
    assert cell.dropout_mask_count == 4
    assert [w.name for w in cell.trainable_weights] == ["kernel", "recurrent_kernel"]


@pytest.mark.parametrize("units", [0, -3, 2.5, "8", None, True])
def test_units_must_be_a_positive_integer(units):
    with pytest.raises(ValueError, match="units"):
        LSTMCell(units)
    if units is not None:
        with pytest.raises(ValueError, match="projection"):
            LSTMCell(3, projection=units)


def test_a_cell_without_equations_says_what_is_missing():
    cell = Cell(3)
    cell.build((1, 2))
    cell.built = True
    with pytest.raises(NotImplementedError, match="pointwise"):
        cell(np.ones((1, 2), "float32"), [np.ones((1, 3), "float32")])
