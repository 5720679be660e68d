"""Long short-term memory with layer normalisation."""

from typing import Any

from kerasrnn._backend import keras
from kerasrnn.cells.cell import Cell

ops = keras.ops


@keras.saving.register_keras_serializable(package="kerasrnn")
class LayerNormLSTMCell(Cell):
    """One step of a long short-term memory whose projections and memory are normalised (Ba et al., 2016).

        z  = γ_x ⊙ N(x) + γ_h ⊙ N(h) + bias    N(v) = (v − mean v) / √(variance v + ε), over a row's columns
        i  = σ(z_i)                            x = inputs · kernel                  (batch, 4 · units)
        f  = σ(z_f)                            h = states[0] · recurrent_kernel     (batch, 4 · units)
        c' = f ⊙ c + i ⊙ tanh(z_c)
        o  = σ(z_o)
        h' = o ⊙ tanh(γ_c ⊙ N(c') + β_c)

    Args:
        units: positive integer, the width of the output and of both states.
        epsilon: ε.
        unit_forget_bias: whether the forget gate's bias starts at 1.
        **kwargs: as in `kerasrnn.cells.Cell` (initializers, regularizers, dropout, …).

    Call arguments:
        inputs: (batch, features).
        states: [h, c], each (batch, units).

    Returns:
        (output, [h', c']): each (batch, units); the output is h'.

    Raises:
        ValueError: `units` is not a positive integer.

    Example:

    >>> import keras, kerasrnn
    >>> layer = kerasrnn.layers.RNN(kerasrnn.cells.LayerNormLSTMCell(8))
    >>> layer(keras.ops.ones((2, 5, 3))).shape
    TensorShape([2, 8])

    Reference:
        Ba, J. L., Kiros, J. R. and Hinton, G. E. (2016). Layer normalization. arXiv:1607.06450.
    """

    gates = ("i", "f", "c", "o")
    state_names = ("h", "c")

    def __init__(self, units: int, epsilon: float = 1e-5, unit_forget_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.epsilon = epsilon
        self.unit_forget_bias = unit_forget_bias

    def build_pointwise(self) -> None:
        width = 4 * self.units
        self.gains = self.add_weight(shape=(2, width), initializer="ones", name="gains")
        self.memory_gain = self.add_weight(shape=(self.units,), initializer="ones", name="memory_gain")
        self.memory_bias = self.add_weight(shape=(self.units,), initializer="zeros", name="memory_bias")
        if self.bias is not None and self.unit_forget_bias:
            ones_for_f = ops.repeat(ops.array([0.0, 1.0, 0.0, 0.0]), self.units)
            self.bias.assign(self.bias + ops.cast(ones_for_f, self.bias.dtype))

    def project(self, inputs: Any, masks: Any = None) -> Any:
        return self._product(inputs, self.kernel, masks)

    def pointwise(self, x: Any, h: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        _, c = states
        z = self.gains[0] * self._normalised(x) + self.gains[1] * self._normalised(h)
        if self.bias is not None:
            z = z + self.bias
        z_i, z_f, z_c, z_o = ops.split(z, 4, axis=-1)
        c = ops.sigmoid(z_f) * c + ops.sigmoid(z_i) * ops.tanh(z_c)
        h = ops.sigmoid(z_o) * ops.tanh(self.memory_gain * self._normalised(c) + self.memory_bias)
        return h, [h, c]

    def _normalised(self, v: Any) -> Any:
        centred = v - ops.mean(v, axis=-1, keepdims=True)
        return centred * ops.rsqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True) + self.epsilon)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon, "unit_forget_bias": self.unit_forget_bias}
