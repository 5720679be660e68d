"""The independently recurrent network."""

from typing import Any

from kerasrnn._backend import keras
from kerasrnn.cells.cell import Cell


@keras.saving.register_keras_serializable(package="kerasrnn")
class IndRNNCell(Cell):
    """One step of an independently recurrent network (Li et al., 2018): each unit sees only its own past.

        h' = φ(x + u ⊙ h)           x = inputs · kernel + bias     (batch, units);  u: (units,)

    Args:
        units: positive integer, the width of the output and of the state.
        activation: φ.
        recurrent_initializer: of u; uniform in [0, 1) by default, as the paper advises for long memories.
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
    >>> layer = kerasrnn.layers.RNN(kerasrnn.cells.IndRNNCell(8))
    >>> layer(keras.ops.ones((2, 5, 3))).shape
    TensorShape([2, 8])

    Reference:
        Li, S. et al. (2018). Independently recurrent neural network (IndRNN). arXiv:1803.04831.
    """

    recurrent = False

    def __init__(
        self, units: int, activation: Any = "relu", recurrent_initializer: Any = "default", **kwargs: Any
    ) -> None:
        if recurrent_initializer == "default":
            recurrent_initializer = keras.initializers.RandomUniform(0.0, 1.0)
        super().__init__(units, recurrent_initializer=recurrent_initializer, **kwargs)
        self.activation = keras.activations.get(activation)

    def build_pointwise(self) -> None:
        self.recurrent_weights = self.add_weight(
            shape=(self.units,),
            name="recurrent_weights",
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )

    def pointwise(self, x: Any, h: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        (previous,) = states
        h = self.activation(x + self.recurrent_weights * previous)
        return h, [h]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": keras.activations.serialize(self.activation)}
