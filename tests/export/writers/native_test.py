"""Native nodes with every pair of activations that ONNX has: what Keras computes, masked or not."""

import itertools

import numpy as np
import onnxruntime
import pytest
from zoo import converted

from kerasrnn._backend import keras

layers = keras.layers
ACTIVATIONS = ("tanh", "sigmoid", "relu", "linear", "hard_sigmoid", "softsign", "softplus", "elu", "leaky_relu")
KINDS = {
    "LSTM": lambda *activations: layers.LSTM(4, *activations, return_sequences=True),
    "GRU": lambda *activations: layers.GRU(4, *activations, return_sequences=True),
    "GRU reset before": lambda *activations: layers.GRU(4, *activations, reset_after=False, return_sequences=True),
}


# One model of many layers, for one conversion.
GATES = [("tanh", gates) for gates in ACTIVATIONS]
ALL = list(itertools.product(ACTIVATIONS, ACTIVATIONS))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pairs", [GATES, pytest.param(ALL, marks=pytest.mark.slow)], ids=["gates", "all"])
def test_activations_of_gates_and_candidates(pairs, kind, masked):
    keras.utils.set_random_seed(0)
    x = keras.Input((None, 3), name="x")
    h = layers.Masking()(x) if masked else x
    model = keras.Model(x, [KINDS[kind](*pair)(h) for pair in pairs])
    forward, proto = converted(model)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    values = np.random.default_rng(0).standard_normal((3, 7, 3)).astype("float32")
    values[0, :2], values[1, 3:5], values[2, 5:] = 0, 0, 0
    for pair, value, received in zip(pairs, model(values), session.run(forward.outputs, {"x": values}), strict=True):
        np.testing.assert_allclose(received, value, rtol=1e-5, atol=1e-5, err_msg=f"{pair}")
