"""Operations that tf2onnx lacks: `keras.ops` in ONNX gives what it gives in Keras, at zeros of both signs and far values too."""

import numpy as np
import onnxruntime
import pytest
from zoo import converted

from kerasrnn._backend import keras

ops = keras.ops
FUNCTIONS = {
    "argmax": lambda x: ops.argmax(x, axis=-1),
    "argmax over time": lambda x: ops.argmax(x, axis=1, keepdims=True),
    "argmax of all": lambda x: ops.argmax(x),
    "argmin": lambda x: ops.argmin(x, axis=-1),
    "argmax of integers": lambda x: ops.argmax(ops.cast(ops.clip(x, -9, 9), "int32"), axis=-1),
    "one_hot of argmax": lambda x: ops.one_hot(ops.argmax(x, axis=-1), 4),
    "largest by take_along_axis": lambda x: ops.take_along_axis(x, ops.argmax(x, axis=-1, keepdims=True), axis=-1),
    "signbit": lambda x: ops.signbit(x),
    "top_k": lambda x: [*ops.top_k(x, 2)],
    "sort": lambda x: ops.sort(x, axis=1),
    "argsort": lambda x: ops.argsort(x, axis=-1),
    "log1p": lambda x: ops.log1p(ops.abs(x)),
    "log1p below 0": lambda x: ops.log1p(-ops.abs(ops.clip(x, -9, 9)) / 9.5),
    "logaddexp": lambda x: ops.logaddexp(x, x - 1),
    "expm1": lambda x: ops.expm1(ops.clip(x, -9, 9)),
    "erf": lambda x: ops.erf(x),
    "digitize": lambda x: ops.digitize(x, [-1.0, 0.0, 0.5, 3.0]),
}


class Own(keras.layers.Layer):
    """Somebody's own, of one function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if i < 9 else pytest.mark.slow) for i, n in enumerate(FUNCTIONS)])
def test_it_is_what_it_is_in_keras(name):
    x = keras.Input((None, 4), name="x")
    model = keras.Model(x, Own(FUNCTIONS[name])(x))
    forward, proto = converted(model)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    values = np.random.default_rng(0).standard_normal((3, 6, 4)).astype("float32")
    values[0, 0], values[0, 1], values[0, 2] = (-0.0, 0.0, -1, -2), (0.0, -0.0, -1, -2), (1e-7, -1e-7, 1e-3, 0.49999)
    values[1, 0], values[1, 1], values[1, 2] = 0, -0.0, (50, 1e4, -50, -1e4)
    for batch in (values, values[:1, :1]):
        expected = keras.tree.flatten(model(batch))
        for value, received in zip(expected, session.run(forward.outputs, {"x": batch}), strict=True):
            assert (received.shape, received.dtype) == (value.shape, value.numpy().dtype)
            np.testing.assert_allclose(received, value, rtol=2e-6, atol=1e-12 if "log1p" in name or "expm1" in name else 1e-6)


def test_bits_that_are_read_otherwise_are_refused_by_name():
    def bits(x):
        import tensorflow as tf

        return tf.bitwise.bitwise_and(tf.bitcast(x, tf.int32), 255)

    x = keras.Input((None, 4), name="x")
    with pytest.raises(ValueError, match="own: its operation Bitcast has no ONNX form.*Use another layer or activation"):
        converted(keras.Model(x, keras.layers.Lambda(bits, output_shape=(None, 4), name="own")(x)))
