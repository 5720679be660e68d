"""Long short-term memory."""

from typing import Any

from kerasrnn._backend import keras
from kerasrnn.cells.cell import Cell

ops = keras.ops


@keras.saving.register_keras_serializable(package="kerasrnn")
class LSTMCell(Cell):
    """One step of a long short-term memory (Hochreiter and Schmidhuber, 1997; forget gate of Gers et al., 2000).

        i  = σ(x_i + h_i)                      x = inputs · kernel + bias           (batch, 4 · units)
        f  = σ(x_f + h_f)                      h = states[0] · recurrent_kernel     (batch, 4 · units)
        c' = f ⊙ c + i ⊙ φ(x_c + h_c)
        o  = σ(x_o + h_o)
        h' = o ⊙ φ(c')

    Arguments, weights, names and numbers are those of `keras.layers.LSTMCell`.

    Args:
        units: positive integer, the width of the output and of both states.
        activation: φ; `None` for the identity.
        recurrent_activation: σ; `None` for the identity.
        use_bias: whether `project` adds a bias.
        unit_forget_bias: whether the forget gate's bias starts at 1 (Jozefowicz et al., 2015).
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
    >>> layer = kerasrnn.layers.RNN(kerasrnn.cells.LSTMCell(8), return_state=True)
    >>> output, h, c = layer(keras.ops.ones((2, 5, 3)))
    >>> c.shape
    TensorShape([2, 8])

    Reference:
        Hochreiter, S. and Schmidhuber, J. (1997). Long short-term memory. Neural Computation 9(8).
    """

    gates = ("i", "f", "c", "o")
    state_names = ("h", "c")
    additive = True

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        unit_forget_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, use_bias=use_bias, **kwargs)
        self.activation = keras.activations.get(activation)
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def build_bias(self, width: int, initializer: Any = None) -> keras.Variable:
        def forget_gate_at_one(shape: Any, *args: Any, **kwargs: Any) -> Any:
            i = self.bias_initializer((self.units,), *args, **kwargs)
            f = keras.initializers.Ones()((self.units,), *args, **kwargs)
            c_and_o = self.bias_initializer((2 * self.units,), *args, **kwargs)
            return ops.concatenate([i, f, c_and_o])

        return super().build_bias(width, forget_gate_at_one if self.unit_forget_bias else None)

    def pointwise(self, x: Any, h: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        _, c = states
        z_i, z_f, z_c, z_o = ops.split(x + h, 4, axis=-1)
        i = self.recurrent_activation(z_i)
        f = self.recurrent_activation(z_f)
        c = f * c + i * self.activation(z_c)
        o = self.recurrent_activation(z_o)
        h = o * self.activation(c)
        return h, [h, c]

    def recurrence(self) -> dict[str, Any]:
        """What an exporter needs to write this cell as a native node: see `export/writers/_recurrence.py`."""
        return {"op": "LSTM", "activations": [self.recurrent_activation, self.activation, self.activation]}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "recurrent_activation": keras.activations.serialize(self.recurrent_activation),
            "unit_forget_bias": self.unit_forget_bias,
        }
