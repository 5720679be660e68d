"""Cells whose recurrence is linear in the state."""

from typing import Any

from kerasrnn._backend import keras
from kerasrnn.cells.cell import Cell

ops = keras.ops


class LinearCell(Cell):
    """A cell of the form h' = a ⊙ h + b, with a and b from the input alone.

    A subclass writes `coefficients` instead of `pointwise`; they are computed for all steps at once, and what is left
    of the recurrence runs in `kerasrnn.scan.linear_scan`.
    """

    recurrent = False

    def coefficients(self, x: Any) -> tuple[Any, Any]:
        """From the projected inputs, (…, gates · units): a and b, each (…, units)."""
        raise NotImplementedError(f"{type(self).__name__} must define coefficients(x)")

    def pointwise(self, x: Any, h: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        (previous,) = states
        a, b = self.coefficients(x)
        h = a * previous + b
        return h, [h]


@keras.saving.register_keras_serializable(package="kerasrnn")
class MinGRUCell(LinearCell):
    """One step of a minimal gated recurrent unit (Feng et al., 2024): gates that see the input alone.

        z  = σ(x_z)                             x = inputs · kernel + bias     (batch, 2 · units)
        h' = (1 − z) ⊙ h + z ⊙ x_h

    Args:
        units: positive integer, the width of the output and of the state.
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
    >>> layer = kerasrnn.layers.RNN(kerasrnn.cells.MinGRUCell(8))
    >>> layer(keras.ops.ones((2, 5, 3))).shape
    TensorShape([2, 8])

    Reference:
        Feng, L. et al. (2024). Were RNNs all we needed? arXiv:2410.01201.
    """

    gates = ("z", "h")

    def coefficients(self, x: Any) -> tuple[Any, Any]:
        x_z, x_h = ops.split(x, 2, axis=-1)
        z = ops.sigmoid(x_z)
        return 1 - z, z * x_h


@keras.saving.register_keras_serializable(package="kerasrnn")
class RGLRUCell(LinearCell):
    """One step of a real-gated linear recurrent unit (De et al., 2024, "Griffin").

        r  = σ(x_r)                             x = inputs · kernel + bias     (batch, 3 · units)
        i  = σ(x_i)
        a  = exp(−c · softplus(Λ) ⊙ r)          Λ: (units,), c = 8
        h' = a ⊙ h + √(1 − a²) ⊙ (i ⊙ x_h)

    The inputs are projected to x_h, so that any width will do, and the gates are dense, not block-diagonal.

    Args:
        units: positive integer, the width of the output and of the state.
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
    >>> layer = kerasrnn.layers.RNN(kerasrnn.cells.RGLRUCell(8))
    >>> layer(keras.ops.ones((2, 5, 3))).shape
    TensorShape([2, 8])

    Reference:
        De, S. et al. (2024). Griffin: mixing gated linear recurrences with local attention. arXiv:2402.19427.
    """

    gates = ("r", "i", "h")
    sharpness = 8.0

    def build_pointwise(self) -> None:
        # a at r = 1 then lies between 0.9 and 0.999, as the paper has it: softplus(Λ) = −ln(a) / c.
        def decays(shape: Any, dtype: Any = None) -> Any:
            rates = -ops.log(ops.linspace(0.9, 0.999, shape[0])) / self.sharpness
            return ops.cast(ops.log(ops.expm1(rates)), dtype)

        self.decay = self.add_weight(shape=(self.units,), initializer=decays, name="decay")

    def coefficients(self, x: Any) -> tuple[Any, Any]:
        x_r, x_i, x_h = ops.split(x, 3, axis=-1)
        log_a = -self.sharpness * ops.softplus(self.decay) * ops.sigmoid(x_r)
        scale = ops.sqrt(-ops.expm1(2 * log_a))
        return ops.exp(log_a), scale * ops.sigmoid(x_i) * x_h
