"""Cells with one mistake each, by the examination that must find it: what a check is worth."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from kerasrnn.cells import Cell

CELLS = {}


def found_by(examination):
    """Registers a cell under the examination that must fail."""

    def register(cls):
        CELLS[cls.__name__] = (cls, examination)
        return cls

    return register


class Elman(Cell):
    """A correct cell with a weight of its own, for the others to spoil."""

    def build_pointwise(self):
        self.gain = self.add_weight(shape=(self.units,), name="gain", initializer="ones")

    def pointwise(self, x, h, states):
        h = self.spoilt(ops.tanh(self.gain * (x + h)), x, states)
        return h, [h]

    def spoilt(self, h, x, states):
        return h


def elman(inputs, states, weights):
    z = inputs @ weights["kernel"] + weights["bias"] + states[0] @ weights["recurrent_kernel"]
    h = np.tanh(weights["gain"] * z)
    return h, [h]


@found_by("equations")
class AnotherFunction(Elman):
    def spoilt(self, h, x, states):
        return ops.sin(h)


@found_by("rows")
class MixesRows(Elman):
    def spoilt(self, h, x, states):
        return h - ops.mean(h, axis=0, keepdims=True)


@found_by("rows")
class KnowsTheBatchSize(Elman):
    def spoilt(self, h, x, states):
        return ops.reshape(h, (3, self.units))


@found_by("additive")
class NotAdditive(Elman):
    additive = True

    def spoilt(self, h, x, states):
        return h * ops.sigmoid(x)


@found_by("gradients")
class StopsTheGradientOfAWeight(Elman):
    def pointwise(self, x, h, states):
        h = ops.tanh(ops.stop_gradient(self.gain) * (x + h))
        return h, [h]


@found_by("gradients")
class StopsTheGradientOfAState(Elman):
    def spoilt(self, h, x, states):
        return h + ops.stop_gradient(states[0])


@found_by("contract")
class StateOfAnotherSize(Elman):
    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.state_size = [units, units + 1]


@found_by("contract")
class OutputOfAnotherSize(Elman):
    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.output_size = units + 1


@found_by("contract")
class ReturnsOneTensor(Elman):
    def call(self, inputs, states, training=False):
        return super().call(inputs, states)[0]


@found_by("contract")
class TwoWeightsOfOneName(Elman):
    def build_pointwise(self):
        super().build_pointwise()
        self.other = self.add_weight(shape=(self.units,), name="gain")

    def spoilt(self, h, x, states):
        return h * self.other


@found_by("contract")
class InitialStatesInSinglePrecision(Elman):
    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, self.units), "float32")]


@found_by("precision")
class ConstantInSinglePrecision(Elman):
    def spoilt(self, h, x, states):
        return h * ops.ones((self.units,), "float32")


@found_by("precision")
class OverflowsInHalfPrecision(Elman):
    def spoilt(self, h, x, states):
        return ops.log(1 + ops.exp(h + 12)) - 12


@found_by("runs")
class PythonInXLA(Elman):
    def spoilt(self, h, x, states):
        return tf.ensure_shape(tf.py_function(lambda v: v, [h], h.dtype), h.shape)


@found_by("runs")
class ReadsNumbers(Elman):
    def spoilt(self, h, x, states):
        return h * float(np.max(h))


@found_by("loop")
class CallIsAnother(Elman):
    def call(self, inputs, states, training=False):
        output, states = super().call(inputs, states, training=training)
        return 2 * output, states


@found_by("loop")
class ProjectsAcrossSteps(Elman):
    """Subtracts the mean over axis 0, which is rows in one step and time in the scan."""

    def project(self, inputs, masks=None):
        x = super().project(inputs, masks)
        return x if len(x.shape) == 2 else x - ops.mean(x, axis=0, keepdims=True)


@found_by("configuration")
class ForgetsAnArgument(Elman):
    def __init__(self, units, sharpness=1.0, **kwargs):
        super().__init__(units, **kwargs)
        self.sharpness = sharpness

    def spoilt(self, h, x, states):
        return h * self.sharpness


@found_by("configuration")
class ForgetsAnArgumentThatItNeeds(Elman):
    def __init__(self, units, sharpness, **kwargs):
        super().__init__(units, **kwargs)
        self.sharpness = sharpness


@found_by("configuration")
class WritesAnotherValue(Elman):
    def __init__(self, units, sharpness=1.0, **kwargs):
        super().__init__(units, **kwargs)
        self.sharpness = 2 * sharpness

    def get_config(self):
        return {**super().get_config(), "sharpness": self.sharpness}


@found_by("saving")
class DrawsANumberInInit(Elman):
    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.drawn = float(np.random.default_rng().random())

    def spoilt(self, h, x, states):
        return h * self.drawn


@found_by("dropout")
class DropsAtInference(keras.layers.Layer):
    """A plain Keras cell."""

    def __init__(self, units, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.state_size, self.dropout = units, dropout

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.state_size), name="kernel")

    def call(self, inputs, states):
        h = ops.tanh(ops.matmul((1 - self.dropout) * inputs, self.kernel) + states[0])
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.state_size, "dropout": self.dropout}


@found_by("dropout")
class NeverDrops(Elman):
    def call(self, inputs, states, training=False):
        return super().call(inputs, states)


@found_by("empty")
class FailsOnNothing(Elman):
    def project(self, inputs, masks=None):
        inputs = tf.ensure_shape(inputs, inputs.shape)
        size = tf.debugging.assert_positive(tf.size(inputs))
        with tf.control_dependencies([size] if size is not None else []):
            return super().project(tf.identity(inputs), masks)
