"""The base class of all cells: a step of a network, stated as its structure and its equations."""

from typing import Any, ClassVar

from kerasrnn._backend import keras, tf
from kerasrnn.cells._keras import DropoutRNNCell

ops = keras.ops


class Cell(keras.layers.Layer, DropoutRNNCell):
    """One step of a recurrent network, split into what can be hoisted out of the loop over time and what cannot.

        x = project(inputs)                                   all time steps at once    (batch, …, gates · units)
        h = states[0] · recurrent_kernel                      one product a step        (batch, gates · units)
        output, new_states = pointwise(x, h, states)          row by row: the equations of the paper

    A subclass names its `gates` and `state_names` and writes `pointwise`; `call`, dropout and serialisation follow.
    The result is an ordinary Keras cell: it works in `keras.layers.RNN`, and in `kerasrnn.layers.RNN` it runs in the fused scan.

    Class attributes:
        gates: names of the blocks of `units` columns in the kernels, in order.
        state_names: names of the states, each (batch, units); states[0] is what `recurrent_kernel` multiplies.
        additive: whether `pointwise` uses x and h only as `x + h`; the scan then stores just the sum.
        recurrent: whether there is a recurrent product; without, `pointwise` is given h=None.

    Args:
        units: positive integer, the width of each state.
        use_bias: whether `project` adds a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: initial weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints on the weights.
        dropout: share of the inputs dropped, the same ones at every step of a sequence.
        recurrent_dropout: share of states[0] dropped before the recurrent product, likewise.
        seed: seed of the dropout.

    Call arguments:
        inputs: (batch, features).
        states: the states, a list of (batch, units); a bare tensor where there is only one.
        training: whether dropout is applied.

    Returns:
        (output, new_states): output (batch, units), new_states structured like `states`.

    Example:

    >>> import kerasrnn
    >>> from keras import ops
    >>> class TanhCell(kerasrnn.cells.Cell):
    ...     '''h' = tanh(inputs · kernel + bias + h · recurrent_kernel).'''
    ...     def pointwise(self, x, h, states):
    ...         h = ops.tanh(x + h)
    ...         return h, [h]
    >>> kerasrnn.layers.RNN(TanhCell(4))(ops.ones((2, 3, 5))).shape
    TensorShape([2, 4])
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    additive: ClassVar[bool] = False
    recurrent: ClassVar[bool] = True

    def __init__(
        self,
        units: int,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        units = positive_integer("units", units)
        if recurrent_dropout and not self.recurrent:
            raise ValueError(f"recurrent_dropout: {type(self).__name__} has no recurrent product to drop inputs of; use dropout")
        implementation = kwargs.pop("implementation", 2)
        super().__init__(**kwargs)
        self.units = units
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = keras.regularizers.get(recurrent_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.recurrent_constraint = keras.constraints.get(recurrent_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        # Keras's rule: recurrent dropout (or implementation 1) draws one mask a gate.
        self.implementation = 1 if self.recurrent_dropout else implementation
        if self.implementation == 1 and len(self.gates) > 1:
            self.dropout_mask_count = len(self.gates)
        self.state_size = self.units if len(self.state_names) == 1 else [self.units] * len(self.state_names)
        self.output_size = self.units

    @property
    def has_one_recurrent_product(self) -> bool:
        """Whether the step is project, one product and pointwise, so that the fused scan can run it."""
        return True

    def build(self, input_shape: Any) -> None:
        width = len(self.gates) * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width),
            name="kernel",
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = None
        if self.recurrent:
            self.recurrent_kernel = self.add_weight(
                shape=(keras.tree.flatten(self.state_size)[0], width),
                name="recurrent_kernel",
                initializer=self.recurrent_initializer,
                regularizer=self.recurrent_regularizer,
                constraint=self.recurrent_constraint,
            )
        self.bias = self.build_bias(width) if self.use_bias else None
        self.build_pointwise()

    def build_bias(self, width: int, initializer: Any = None) -> keras.Variable:
        """Creates the bias that `project` adds."""
        return self.add_weight(
            shape=(width,),
            name="bias",
            initializer=initializer or self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )

    def build_pointwise(self) -> None:
        """Creates the weights that `pointwise` uses besides the two kernels."""

    def project(self, inputs: Any, masks: Any = None) -> Any:
        """inputs · kernel + bias, for one step (batch, features) or all (…, features); masks as in dropout."""
        return self._affine(inputs, self.bias, masks)

    def pointwise(self, x: Any, h: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """The step after its two products, row by row: returns the output and the new states."""
        raise NotImplementedError(f"{type(self).__name__} must define pointwise(x, h, states)")

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        nested = isinstance(states, (list, tuple))
        states = list(states) if nested else [states]
        input_masks = self.get_dropout_mask(inputs) if training else None
        recurrent_masks = self.get_recurrent_dropout_mask(states[0]) if training else None
        x = self.project(inputs, input_masks)
        h = None if self.recurrent_kernel is None else self._product(states[0], self.recurrent_kernel, recurrent_masks)
        output, new_states = self.pointwise(x, h, states)
        return output, (new_states if nested else new_states[0])

    def _affine(self, inputs: Any, bias: Any, masks: Any) -> Any:
        x = self._product(inputs, self.kernel, masks)
        return x if bias is None else _bias_add(x, tf.convert_to_tensor(bias))

    def _product(self, inputs: Any, kernel: Any, masks: Any) -> Any:
        """inputs · kernel, each gate's inputs dropped by its own mask where there are several."""
        if isinstance(masks, (list, tuple)):
            blocks = ops.split(kernel, len(masks), axis=-1)
            return ops.concatenate([_matmul(inputs * m, k) for m, k in zip(masks, blocks)], axis=-1)
        return _matmul(inputs if masks is None else inputs * masks, kernel)

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        sizes = keras.tree.flatten(self.state_size)
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": keras.initializers.serialize(self.recurrent_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "recurrent_regularizer": keras.regularizers.serialize(self.recurrent_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "recurrent_constraint": keras.constraints.serialize(self.recurrent_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }


def positive_integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value <= 0:
        raise ValueError(f"Received an invalid value for argument `{name}`, expected a positive integer, got {value!r}.")
    return int(value)


def _bias_add(x: Any, bias: Any) -> Any:
    # Not `x + bias`, whose gradient takes four times as long on a CPU.
    return _half_bias_add(x, bias) if x.dtype in (tf.float16, tf.bfloat16) else tf.nn.bias_add(x, bias)


@tf.custom_gradient
def _half_bias_add(x: Any, bias: Any) -> Any:
    """Adds a bias, and sums its gradient over all steps and rows in float32. TensorFlow's own sum rounds at each term."""

    def gradient(d: Any) -> Any:
        total = tf.reduce_sum(tf.cast(d, tf.float32), axis=list(range(len(d.shape) - 1)))
        return d, tf.cast(total, bias.dtype)

    return tf.nn.bias_add(x, bias), gradient


def _matmul(inputs: Any, kernel: Any) -> Any:
    if len(inputs.shape) == 2:
        return ops.matmul(inputs, kernel)
    # In two dimensions: the gradient of a 3-D by 2-D product is one small product a step, at half the speed.
    flat = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), kernel)
    return ops.reshape(flat, (*ops.shape(inputs)[:-1], kernel.shape[-1]))
