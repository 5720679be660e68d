"""Long short-term memory."""

from typing import Any

from kerasrnn._backend import keras
from kerasrnn.cells.cell import Cell, positive_integer

ops = keras.ops


@keras.saving.register_keras_serializable(package="kerasrnn")
class LSTMCell(Cell):
    """One step of a long short-term memory (Hochreiter and Schmidhuber, 1997; forget gate of Gers et al., 2000).

        i  = σ(x_i + h_i)                      x = inputs · kernel + bias           (batch, 4 · units)
        f  = σ(x_f + h_f)                      h = states[0] · recurrent_kernel     (batch, 4 · units)
        c' = f ⊙ c + i ⊙ φ(x_c + h_c)
        o  = σ(x_o + h_o)
        h' = o ⊙ φ(c')

    With `peepholes` the gates see the memory too (Gers and Schmidhuber, 2000): p_i ⊙ c and p_f ⊙ c are added in i and
    f, p_o ⊙ c' in o. With `projection` the state that recurs is a narrower image of the memory's, for large memories at
    a small cost (Sak et al., 2014): h' = (o ⊙ φ(c')) · projection_kernel.

    Without these two, arguments, weights, names and numbers are those of `keras.layers.LSTMCell`.

    Args:
        units: positive integer, the width of both states and of the output (without `projection`).
        activation: φ; `None` for the identity.
        recurrent_activation: σ; `None` for the identity.
        use_bias: whether `project` adds a bias.
        unit_forget_bias: whether the forget gate's bias starts at 1 (Jozefowicz et al., 2015).
        peepholes: whether the gates see the memory, through weights `peephole`, (3, units) for i, f, o.
        projection: positive integer, the width of h and of the output; None for no projection. The weights are
            `projection_kernel`, (units, projection); recurrent_kernel is then (projection, 4 · units).
        **kwargs: as in `kerasrnn.cells.Cell` (initializers, regularizers, dropout, …).

    Call arguments:
        inputs: (batch, features).
        states: [h, c]: h (batch, projection or units), c (batch, units).

    Returns:
        (output, [h', c']), shaped like the states; the output is h'.

    Raises:
        ValueError: `units` or `projection` is not a positive integer.

    Example:

    >>> import keras, kerasrnn
    >>> layer = kerasrnn.layers.RNN(kerasrnn.cells.LSTMCell(8), return_state=True)
    >>> output, h, c = layer(keras.ops.ones((2, 5, 3)))
    >>> c.shape
    TensorShape([2, 8])

    References:
        Hochreiter, S. and Schmidhuber, J. (1997). Long short-term memory. Neural Computation 9(8).
        Gers, F. A. and Schmidhuber, J. (2000). Recurrent nets that time and count. IJCNN.
        Sak, H., Senior, A. and Beaufays, F. (2014). Long short-term memory based recurrent neural network
        architectures for large vocabulary speech recognition. arXiv:1402.1128.
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
        peepholes: bool = False,
        projection: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, use_bias=use_bias, **kwargs)
        self.activation = keras.activations.get(activation)
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.peepholes = peepholes
        self.projection = projection if projection is None else positive_integer("projection", projection)
        self.output_size = self.projection or self.units
        self.state_size = [self.output_size, self.units]

    def build_bias(self, width: int, initializer: Any = None) -> keras.Variable:
        def forget_gate_at_one(shape: Any, *args: Any, **kwargs: Any) -> Any:
            i = self.bias_initializer((self.units,), *args, **kwargs)
            f = keras.initializers.Ones()((self.units,), *args, **kwargs)
            c_and_o = self.bias_initializer((2 * self.units,), *args, **kwargs)
            return ops.concatenate([i, f, c_and_o])

        return super().build_bias(width, forget_gate_at_one if self.unit_forget_bias else None)

    def build_pointwise(self) -> None:
        like_kernel = {
            "initializer": self.kernel_initializer,
            "regularizer": self.kernel_regularizer,
            "constraint": self.kernel_constraint,
        }
        if self.peepholes:
            self.peephole = self.add_weight((3, self.units), name="peephole", **like_kernel)
        if self.projection:
            self.projection_kernel = self.add_weight((self.units, self.projection), name="projection_kernel", **like_kernel)

    def pointwise(self, x: Any, h: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        _, c = states
        p_i, p_f, p_o = ops.unstack(self.peephole) if self.peepholes else (None, None, None)
        z_i, z_f, z_c, z_o = ops.split(x + h, 4, axis=-1)
        i = self._gate(z_i, p_i, c)
        f = self._gate(z_f, p_f, c)
        c = f * c + i * self.activation(z_c)
        o = self._gate(z_o, p_o, c)
        h = o * self.activation(c)
        if self.projection:
            h = ops.matmul(h, self.projection_kernel)
        return h, [h, c]

    def _gate(self, z: Any, p: Any, c: Any) -> Any:
        return self.recurrent_activation(z if p is None else z + p * c)

    def recurrence(self) -> dict[str, Any] | None:
        """What an exporter needs to write this cell as a native node: see `export/writers/_recurrence.py`."""
        if self.projection:
            return None
        return {
            "op": "LSTM",
            "activations": [self.recurrent_activation, self.activation, self.activation],
            "peephole": self.peephole if self.peepholes else None,
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "recurrent_activation": keras.activations.serialize(self.recurrent_activation),
            "unit_forget_bias": self.unit_forget_bias,
            # Only when used, so that keras.layers can read the configuration of a cell that uses neither.
            **({"peepholes": True} if self.peepholes else {}),
            **({"projection": self.projection} if self.projection else {}),
        }
