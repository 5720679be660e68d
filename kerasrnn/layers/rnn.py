"""The recurrent layer: `keras.layers.RNN`, with the fused scan where the cell allows it."""

import inspect
from collections.abc import Callable
from typing import Any

from kerasrnn._backend import keras, tf
from kerasrnn.layers._checks import check_call, check_sequences, of_expected_rows, results_of_rows
from kerasrnn.layers._tape import tape_records
from kerasrnn.layers.cudnn import cudnn_obstacles, cudnn_scan, cudnn_takes
from kerasrnn.layers.pointwise import step_and_weights
from kerasrnn.layers.zoneout import with_zoneout
from kerasrnn.scan import TRUNCATIONS, fused_scan, masked_linear_scan, state_gradient_scale

@keras.saving.register_keras_serializable(package="kerasrnn")
class RNN(keras.layers.RNN):
    """A cell over time: `keras.layers.RNN`, in a fused scan for cells that state their structure.

    Arguments, call arguments, weights, saved files and results are those of `keras.layers.RNN`. Cells of
    `kerasrnn.cells` (and any subclass of `kerasrnn.cells.Cell`) run in the fused scan; other cells, stacks of cells
    and `unroll=True` run in Keras's own loop, which has none of the options after `zero_output_for_mask`.

    Args:
        cell: a cell, or a list of cells for a stack within one layer (which takes Keras's loop).
        return_sequences: whether to return the outputs of all steps, (batch, time, units), or the last only.
        return_state: whether to return the last states after the output.
        go_backwards: whether to read the sequence from its end; outputs then come in that order.
        stateful: whether the states after a batch start the next one.
        unroll: whether to unroll the loop (needs a fixed number of steps).
        zero_output_for_mask: whether outputs at masked steps are zero, instead of the last unmasked one.
        truncate: τ of truncated backpropagation through time, None for the full gradient.
        truncation: "regular" (segments of τ steps) or "randomized" (unbiased; see `kerasrnn.scan`).
        checkpoint_steps: keep every k-th state only and compute the others again for the gradient: about √time is the
            least memory.
        weight_drop: share of the recurrent kernel's weights dropped in training, the same ones for a whole batch
            (Merity et al., 2018).
        zoneout: share of the states' units that keep their value over a step in training; at inference states move
            that share less (Krueger et al., 2017).
        trainable_initial_state: whether the states begin at trained values instead of zeros; not with `stateful`.
        use_cudnn: on a GPU, whether cuDNN runs LSTM and GRU cells: "auto" where it can, True to have an error that says
            why it cannot, False for never. It has never been run; inputs that it would abort on take the scan.
        seed: seed of weight_drop, zoneout and randomized truncation.
        **kwargs: as in `keras.layers.Layer`.

    Call arguments:
        sequences: (batch, time, features).
        initial_state: list of states, each (batch, units); zeros by default.
        mask: (batch, time) booleans; a masked step leaves the states as they were.
        training: whether dropout and the like are applied; None for no.

    Returns:
        The outputs, (batch, time, units) or (batch, units); with `return_state` a list [outputs, *states]. Of a
        sequence of no steps, the last output is zeros and the states are the initial ones.

    Raises:
        ValueError: the cell has no `state_size`, an argument is out of its range or needs a cell of `kerasrnn.cells`,
            a state or mask has another shape, or the batch of a stateful layer changes its size.

    Example:

    >>> import keras, kerasrnn
    >>> layer = kerasrnn.layers.RNN(kerasrnn.cells.LSTMCell(8), return_sequences=True)
    >>> layer(keras.ops.ones((2, 5, 3))).shape
    TensorShape([2, 5, 8])

    References:
        Merity, S., Keskar, N. and Socher, R. (2018). Regularizing and optimizing LSTM language models. arXiv:1708.02182.
        Krueger, D. et al. (2017). Zoneout. arXiv:1606.01305.
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        truncate: int | None = None,
        truncation: str = "regular",
        checkpoint_steps: int | None = None,
        weight_drop: float = 0.0,
        zoneout: float = 0.0,
        trainable_initial_state: bool = False,
        use_cudnn: bool | str = "auto",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # By name: the drop-in layers have Keras's LSTM or GRU between this class and that one.
        keras.layers.RNN.__init__(
            self, cell, return_sequences=return_sequences, return_state=return_state, go_backwards=go_backwards,
            stateful=stateful, unroll=unroll, zero_output_for_mask=zero_output_for_mask, **kwargs,
        )  # fmt: skip
        # Not inherited: later versions of Keras leave it out, and a mask would end here.
        self.supports_masking = True
        self.truncate = truncate
        self.truncation = truncation
        self.checkpoint_steps = checkpoint_steps
        self.weight_drop = weight_drop
        self.zoneout = zoneout
        self.trainable_initial_state = trainable_initial_state
        self.use_cudnn = use_cudnn
        self.seed = seed
        self._check_extras()
        if self.weight_drop or self.zoneout or self.truncation == "randomized":
            self.seed_generator = keras.random.SeedGenerator(self.seed)

    def _check_extras(self) -> None:
        for name in ("truncate", "checkpoint_steps"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not hasattr(value, "__index__") or value < 1):
                raise ValueError(f"{name}: expected a positive integer or None; received {value!r}")
        for name in ("weight_drop", "zoneout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}: expected a share in [0, 1); received {getattr(self, name)!r}")
        if self.use_cudnn not in ("auto", True, False):
            raise ValueError(f"use_cudnn: expected 'auto', True or False; received {self.use_cudnn!r}")
        if self.truncation not in TRUNCATIONS:
            raise ValueError(f"truncation: expected one of {TRUNCATIONS}; received {self.truncation!r}")
        used = [n for n in ("truncate", "checkpoint_steps", "weight_drop", "zoneout") if getattr(self, n)]
        if used and not self._fits_scan():
            raise ValueError(
                f"{', '.join(used)}: needs a cell of kerasrnn.cells with one recurrent product and unroll=False; "
                f"received the cell {self.cell} and unroll={self.unroll}"
            )
        if self._fits_scan() and self.cell.compute_dtype != self.compute_dtype:
            raise ValueError(
                f"dtype: expected the cell's, {self.cell.dtype_policy.name}, which computes in {self.cell.compute_dtype}; received "
                f"{self.dtype_policy.name}. Give the cell that dtype too, or call keras.config.set_dtype_policy before both"
            )
        if self.trainable_initial_state and self.stateful:
            raise ValueError(
                "trainable_initial_state=True: expected stateful=False, as a stateful layer begins where the last batch "
                "ended, so that no gradient reaches the initial states; leave one of the two out"
            )
        if self.weight_drop and not self.cell.recurrent:
            raise ValueError(f"weight_drop: needs a cell with a recurrent kernel; {type(self.cell).__name__} has none")

    def _fits_scan(self) -> bool:
        return getattr(self.cell, "has_one_recurrent_product", False) and not self.unroll

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        if self.trainable_initial_state:
            self.initial_states = [
                self.add_weight(shape=(size,), initializer="zeros", name=f"initial_state_{i}")
                for i, size in enumerate(self.state_size)
            ]
        super().build(sequences_shape, initial_state_shape)
        if not cudnn_obstacles(self):
            self.supports_jit = False  # XLA has no cuDNN recurrences

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        if not self.trainable_initial_state:
            return super().get_initial_state(batch_size)
        return [
            tf.tile(tf.cast(tf.convert_to_tensor(s), self.compute_dtype)[None], [batch_size, 1]) for s in self.initial_states
        ]

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool | None = False) -> Any:
        check_sequences(sequences)
        sequences = of_expected_rows(self, sequences)
        if self._fits_scan():
            check_call(self, sequences, initial_state, mask)
            if training:
                # Before Keras does, which looks at the first step: there may be none.
                self.cell.get_dropout_mask(tf.zeros((tf.shape(sequences)[0], sequences.shape[-1]), sequences.dtype))
            if sequences.shape[1] == 0:
                return self._call_on_no_steps(sequences, initial_state)
        results = super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        return results_of_rows(self, sequences, results)

    def _call_on_no_steps(self, sequences: Any, initial_state: Any) -> Any:
        batch = tf.shape(sequences)[0]
        states = self.states if initial_state is None and self.stateful else initial_state
        states = self.get_initial_state(batch) if states is None else keras.tree.flatten(states)
        shape = (batch, 0, self.cell.output_size) if self.return_sequences else (batch, self.cell.output_size)
        output = tf.zeros(shape, self.compute_dtype)
        states = [tf.cast(tf.convert_to_tensor(s), self.compute_dtype) for s in states]
        return (output, *states) if self.return_state else output

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any = None, training: bool | None = False) -> Any:
        if not self._fits_scan():
            return super().inner_loop(sequences, initial_state, mask=mask, training=training)
        training = bool(training)
        mask = keras.tree.flatten(mask)[0] if mask is not None else None
        states = keras.tree.flatten(initial_state)
        if sequences.shape[1] == 1 and mask is None and not training and not self.zoneout:
            output, states = self.cell(sequences[:, 0], states)  # no loop around one step: generation takes many
            return output, output[:, None], states
        dropout = self.cell.get_dropout_mask(None) if training and self.cell.dropout else None
        recurrent_dropout = self.cell.get_recurrent_dropout_mask(None) if training and self.cell.recurrent_dropout else []
        recurrent_dropout = keras.tree.flatten(recurrent_dropout)
        # A model without `training` of its own is fitted too: whether a gradient is wanted is not what `training` says.
        arguments = (sequences, states, mask, dropout, recurrent_dropout, training, training or tape_records())
        if not tf.executing_eagerly():
            return self._scan(*arguments)
        # Eagerly, tf.while_loop under a tape fails on nested states; one cached function a layer.
        if not hasattr(self, "_scan_function"):
            self._scan_function = _untracked(tf.function(self._scan, reduce_retracing=True))
        # Traced where no tape sees it: under two of them TensorFlow would wrap each loop in ever more functions. And called
        # directly, it would warn of retracing wherever a few layers are new: it counts by code, not by layer.
        with tf.init_scope():
            scan = self._scan_function().get_concrete_function(*arguments)
        return scan(*arguments)

    def _scan(
        self, sequences: Any, states: list[Any], mask: Any, dropout: Any, recurrent_dropout: list[Any], training: bool,
        keep_for_gradient: bool,
    ) -> Any:  # fmt: skip
        x = tf.transpose(tf.cast(sequences, self.cell.compute_dtype), [1, 0, 2])
        mask = None if mask is None else tf.transpose(tf.cast(mask, bool))
        recurrent_kernel = self._recurrent_kernel(training)

        def by_scan() -> tuple[Any, list[Any]]:
            return self._fused_scan(x, states, mask, dropout, recurrent_dropout, recurrent_kernel, training, keep_for_gradient)

        def by_cudnn() -> tuple[Any, list[Any]]:
            dropped = x if dropout is None else x * dropout
            outputs, last = cudnn_scan(self.cell, recurrent_kernel, dropped, states, mask, self.go_backwards)
            return (outputs if self.return_sequences else last[0]), last

        obstacles = cudnn_obstacles(self)
        if obstacles and getattr(self, "use_cudnn", "auto") is True:
            raise ValueError(f"use_cudnn=True, but {'; '.join(obstacles)}. Use 'auto' to run the scan instead.")
        outputs, last_states = by_scan() if obstacles else tf.cond(cudnn_takes(x, mask), by_cudnn, by_scan)
        if mask is not None and self.zero_output_for_mask:
            mask = tf.reverse(mask, [0]) if self.go_backwards else mask
            mask = mask[:, :, None] if self.return_sequences else mask[-1][:, None]
            outputs = tf.where(mask, outputs, tf.zeros((), outputs.dtype))
        if self.return_sequences:
            # A sum over one step or none: of no steps, the last output is zeros.
            last, outputs = tf.reduce_sum(outputs[-1:], axis=0), tf.transpose(outputs, [1, 0, 2])
        else:
            last, outputs = outputs, outputs[:, None]
        # A loop over time forgets what is known of its number of steps, and the layers behind ask for it.
        steps = sequences.shape[1] if self.return_sequences else 1
        outputs.set_shape([sequences.shape[0], steps, outputs.shape[-1]])
        return last, outputs, last_states

    def _recurrent_kernel(self, training: bool) -> Any:
        if self.cell.recurrent_kernel is None:
            return None
        kernel = tf.convert_to_tensor(self.cell.recurrent_kernel)
        if training and self.weight_drop:
            kernel = keras.random.dropout(kernel, self.weight_drop, seed=self.seed_generator)
        return kernel

    def _fused_scan(
        self, x: Any, states: list[Any], mask: Any, dropout: Any, recurrent_dropout: list[Any], recurrent_kernel: Any,
        training: bool, keep_for_gradient: bool,
    ) -> tuple[Any, list[Any]]:  # fmt: skip
        """The outputs (of all steps, or of the last one) and the last states, by the scan of the cell's kind."""
        cell = self.cell
        if self.go_backwards:
            x, mask = tf.reverse(x, [0]), None if mask is None else tf.reverse(mask, [0])
        x = cell.project(x, dropout)
        scale = None
        if training and self.truncate is not None:
            seed = self.seed_generator.next() if self.truncation == "randomized" else None
            scale = state_gradient_scale(tf.shape(x)[0], self.truncate, self.truncation, seed)
        if hasattr(cell, "coefficients") and not self.zoneout:
            accelerators = tf.config.list_logical_devices("GPU") + tf.config.list_logical_devices("TPU")
            return masked_linear_scan(
                *cell.coefficients(x), states[0], mask, self.return_sequences, scale,
                associative=bool(accelerators) and x.shape[0] is not None,
            )  # fmt: skip
        step, weights = step_and_weights(cell, x, states)
        if self.zoneout:
            step = with_zoneout(step, self.zoneout, self.seed_generator.next() if training else None)
        return fused_scan(
            step,
            x,
            recurrent_kernel,
            states,
            weights,
            additive=cell.additive,
            mask=mask,
            recurrent_dropout_masks=recurrent_dropout,
            return_sequences=self.return_sequences,
            state_gradient_scale=scale,
            checkpoint_steps=self.checkpoint_steps if training else None,
            keep_for_gradient=keep_for_gradient,
        )

    def get_config(self) -> dict[str, Any]:
        # Only what is switched on: so keras.layers can read the configuration of a layer that uses none of it.
        ours = inspect.signature(RNN).parameters
        own = ours.keys() - inspect.signature(keras.layers.RNN).parameters.keys()
        values = {name: getattr(self, name, ours[name].default) for name in own}
        return {**super().get_config(), **{n: value for n, value in values.items() if value != ours[n].default}}


def _untracked(value: Any) -> Callable[[], Any]:
    """A value behind a function: Keras would otherwise track a tf.function and try to save it."""
    return lambda: value
