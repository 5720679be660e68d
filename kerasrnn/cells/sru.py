"""The simple recurrent unit."""

from typing import Any

from kerasrnn._backend import keras
from kerasrnn.cells.cell import Cell

ops = keras.ops


@keras.saving.register_keras_serializable(package="kerasrnn")
class SRUCell(Cell):
    """One step of a simple recurrent unit (Lei et al., 2018); its output is unlike its state.

        f  = σ(x_f + v_f ⊙ c)                  x = inputs · kernel + bias     (batch, 4 · units)
        r  = σ(x_r + v_r ⊙ c)                  v: (2, units)
        c' = f ⊙ c + (1 − f) ⊙ x_c
        h' = r ⊙ c' + (1 − r) ⊙ x_h            x_h: the highway, projected so that any width will do

    Args:
        units: positive integer, the width of the output and of the state.
        **kwargs: as in `kerasrnn.cells.Cell` (use_bias, initializers, dropout, …).

    Call arguments:
        inputs: (batch, features).
        states: [c], c (batch, units).

    Returns:
        (output, [c']): both (batch, units); the output is h'.

    Raises:
        ValueError: `units` is not a positive integer.

    Example:

    >>> import keras, kerasrnn
    >>> layer = kerasrnn.layers.RNN(kerasrnn.cells.SRUCell(8), return_state=True)
    >>> output, c = layer(keras.ops.ones((2, 5, 3)))
    >>> output.shape, c.shape
    (TensorShape([2, 8]), TensorShape([2, 8]))

    Reference:
        Lei, T. et al. (2018). Simple recurrent units for highly parallelizable recurrence. arXiv:1709.02755.
    """

    gates = ("f", "r", "c", "h")
    state_names = ("c",)
    recurrent = False

    def build_pointwise(self) -> None:
        self.peephole = self.add_weight(
            shape=(2, self.units),
            name="peephole",
            initializer="glorot_uniform",
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )

    def pointwise(self, x: Any, h: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        (c,) = states
        v_f, v_r = ops.unstack(self.peephole)
        x_f, x_r, x_c, x_h = ops.split(x, 4, axis=-1)
        f = ops.sigmoid(x_f + v_f * c)
        r = ops.sigmoid(x_r + v_r * c)
        c = f * c + (1 - f) * x_c
        return r * c + (1 - r) * x_h, [c]
