"""The simple recurrent network of Elman."""

from typing import Any

from kerasrnn._backend import keras
from kerasrnn.cells.cell import Cell


@keras.saving.register_keras_serializable(package="kerasrnn")
class SimpleRNNCell(Cell):
    """One step of a simple recurrent network (Elman, 1990).

        h' = φ(x + h)           x = inputs · kernel + bias           (batch, units)
                                h = states[0] · recurrent_kernel     (batch, units)

    Arguments, weights, names and numbers are those of `keras.layers.SimpleRNNCell`.

    Args:
        units: positive integer, the width of the output and of the state.
        activation: φ; `None` for the identity.
        **kwargs: as in `kerasrnn.cells.Cell` (use_bias, initializers, dropout, …).

    Call arguments:
        inputs: (batch, features).
        states: [h], h (batch, units).

    Returns:
        (output, [h']): both (batch, units).

    Raises:
        ValueError: `units` is not a positive integer.

    Example:

    >>> import keras, kerasrnn
    >>> layer = kerasrnn.layers.RNN(kerasrnn.cells.SimpleRNNCell(8), return_sequences=True)
    >>> layer(keras.ops.ones((2, 5, 3))).shape
    TensorShape([2, 5, 8])

    Reference:
        Elman, J. L. (1990). Finding structure in time. Cognitive Science 14(2).
    """

    additive = True

    def __init__(self, units: int, activation: Any = "tanh", use_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(units, use_bias=use_bias, **kwargs)
        self.activation = keras.activations.get(activation)

    def pointwise(self, x: Any, h: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        h = self.activation(x + h)
        return h, [h]

    def recurrence(self) -> dict[str, Any]:
        """What an exporter needs to write this cell as a native node: see `export/writers/_recurrence.py`."""
        return {"op": "RNN", "activations": [self.activation]}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": keras.activations.serialize(self.activation)}
