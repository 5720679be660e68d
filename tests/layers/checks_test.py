"""Sequences that a recurrent layer cannot read, refused in a sentence that says what to do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from families import PAIRS

X = np.random.default_rng(0).standard_normal((6, 5, 3)).astype("float32")
REFUSED = {
    "ragged": (tf.RaggedTensor.from_tensor(X), "expected a dense tensor .* received a RaggedTensor. Pad rows"),
    "sparse": (tf.sparse.from_dense(X), "expected a dense tensor .* received a SparseTensor. Pad rows"),
    "complex": (X.astype("complex64"), "expected real numbers or booleans; received dtype complex64"),
    "strings": (np.full((6, 5, 3), "a"), "expected real numbers or booleans; received dtype string"),
}


@pytest.mark.parametrize("name", ["LSTM", "MinGRUCell", "keras.layers.GRUCell", "a stack"])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_no_layer_reads_is_refused(kind, name):
    sequences, message = REFUSED[kind]
    layer = PAIRS[name].ours()
    layer.build(X.shape)
    for call in (layer, tf.function(layer)):
        with pytest.raises(ValueError, match=f"sequences: {message}"):
            call(sequences)


def test_four_axes_are_refused_for_cells_of_vectors():
    with pytest.raises(ValueError, match=r"sequences: expected shape \(batch, time, features\); received \(1, 6, 5, 3\)"):
        PAIRS["LSTMCell"].ours()(X[None])


@pytest.mark.parametrize("run", ["fit", "evaluate", "predict"])
@pytest.mark.parametrize("name", ["GRU", "keras.layers.GRUCell", "a stack"])
def test_a_shorter_last_batch_of_a_stateful_layer_names_the_remedy(name, run):
    inputs = keras.Input(batch_shape=(4, 5, 3))
    model = keras.Model(inputs, PAIRS[name].ours(stateful=True, name="carried")(inputs))
    model.compile("sgd", "mse")
    targets = np.zeros((6, model.output_shape[-1]))
    arrays = (X,) if run == "predict" else (X, targets)
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected 4 rows, as carried is stateful.*drop_remainder=True"):
        getattr(model, run)(*arrays, batch_size=4, verbose=0)
    getattr(model, run)(*(a[:4] for a in arrays), batch_size=4, verbose=0)
