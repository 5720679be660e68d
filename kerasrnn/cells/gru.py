"""The gated recurrent unit."""

from typing import Any

from kerasrnn._backend import keras
from kerasrnn.cells.cell import Cell

ops = keras.ops


@keras.saving.register_keras_serializable(package="kerasrnn")
class GRUCell(Cell):
    """One step of a gated recurrent unit (Cho et al., 2014), the reset gate applied after the product by default.

        z  = σ(x_z + h_z)                      x = inputs · kernel + bias[0]               (batch, 3 · units)
        r  = σ(x_r + h_r)                      h = states[0] · recurrent_kernel + bias[1]  (batch, 3 · units)
        h' = z ⊙ h + (1 − z) ⊙ φ(x_h + r ⊙ h_h)

    With `reset_after=False`, the paper's form, the candidate is φ(x_h + (r ⊙ h) · recurrent_kernel_h): a second
    recurrent product, for which the layer takes the plain loop. Arguments, weights, names and numbers are those of
    `keras.layers.GRUCell`.

    Args:
        units: positive integer, the width of the output and of the state.
        activation: φ; `None` for the identity.
        recurrent_activation: σ; `None` for the identity.
        use_bias: whether both projections have a bias (only the first with `reset_after=False`).
        reset_after: whether the reset gate follows the recurrent product, as cuDNN and ONNX's default have it.
        **kwargs: as in `kerasrnn.cells.Cell` (initializers, regularizers, dropout, …).

    Call arguments:
        inputs: (batch, features).
        states: [h], h (batch, units).

    Returns:
        (output, [h']): both (batch, units).

    Raises:
        ValueError: `units` is not a positive integer.

    Example:

    >>> import keras, kerasrnn
    >>> layer = kerasrnn.layers.RNN(kerasrnn.cells.GRUCell(8))
    >>> layer(keras.ops.ones((2, 5, 3))).shape
    TensorShape([2, 8])

    Reference:
        Cho, K. et al. (2014). Learning phrase representations using RNN encoder–decoder. arXiv:1406.1078.
    """

    gates = ("z", "r", "h")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, use_bias=use_bias, **kwargs)
        self.activation = keras.activations.get(activation)
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.reset_after = reset_after

    @property
    def has_one_recurrent_product(self) -> bool:
        return self.reset_after

    def build_bias(self, width: int, initializer: Any = None) -> keras.Variable:
        if not self.reset_after:
            return super().build_bias(width)
        return self.add_weight(
            shape=(2, width),
            name="bias",
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )

    def project(self, inputs: Any, masks: Any = None) -> Any:
        reset_after = self.bias is not None and self.reset_after
        return self._affine(inputs, self.bias[0] if reset_after else self.bias, masks)

    def pointwise(self, x: Any, h: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        (previous,) = states
        if self.bias is not None:
            h = h + self.bias[1]
        x_z, x_r, x_h = ops.split(x, 3, axis=-1)
        h_z, h_r, h_h = ops.split(h, 3, axis=-1)
        z = self.recurrent_activation(x_z + h_z)
        r = self.recurrent_activation(x_r + h_r)
        h = z * previous + (1 - z) * self.activation(x_h + r * h_h)
        return h, [h]

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        if self.reset_after:
            return super().call(inputs, states, training=training)
        return self._call_reset_before(inputs, states, training)

    def _call_reset_before(self, inputs: Any, states: Any, training: bool) -> tuple[Any, Any]:
        nested = isinstance(states, (list, tuple))
        h = states[0] if nested else states
        input_masks = self.get_dropout_mask(inputs) if training else None
        masks = self.get_recurrent_dropout_mask(h) if training else None
        m_z, m_r, m_h = masks if isinstance(masks, (list, tuple)) else [masks] * 3
        k_z, k_r, k_h = ops.split(self.recurrent_kernel, 3, axis=-1)
        x_z, x_r, x_h = ops.split(self.project(inputs, input_masks), 3, axis=-1)
        z = self.recurrent_activation(x_z + self._product(h, k_z, m_z))
        r = self.recurrent_activation(x_r + self._product(h, k_r, m_r))
        h = z * h + (1 - z) * self.activation(x_h + self._product(r * h, k_h, m_h))
        return h, ([h] if nested else h)

    def recurrence(self) -> dict[str, Any]:
        """What an exporter needs to write this cell as a native node: see `export/writers/_recurrence.py`."""
        return {
            "op": "GRU",
            "activations": [self.recurrent_activation, self.activation],
            "reset_after": self.reset_after,
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "recurrent_activation": keras.activations.serialize(self.recurrent_activation),
            "reset_after": self.reset_after,
        }
