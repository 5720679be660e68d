"""What can be diagnosed: the checks of a model and of a batch, and the loss of each time step."""

from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.diagnostics._recording import recurrent_layers


def check_model(model: Any) -> None:
    """Raises an error that says why a model cannot be diagnosed."""
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"model: expected a keras.Model; received {type(model).__name__}. Put the layer in a keras.Sequential."
        )
    if not model.built:
        raise ValueError(
            f"model: expected a built model; {model.name!r} has no weights yet. Call it on a batch, or give it an Input."
        )
    if not recurrent_layers(model):
        names = ", ".join(f"{layer.name} ({type(layer).__name__})" for layer in model.layers)
        raise ValueError(
            f"model: expected at least one recurrent layer (keras.layers.RNN or one derived from it); {model.name!r} has "
            f"none: {names}. There is no gradient through time to look at."
        )
    for variable in model.variables:
        values = variable.numpy()
        if values.dtype.kind not in "iub" and not np.isfinite(values.astype("float64")).all():
            bad = int((~np.isfinite(values.astype("float64"))).sum())
            raise ValueError(
                f"model: expected finite weights; {variable.path!r} holds {bad:,} that are NaN or infinite. Load weights of "
                "before they became so, then lower the learning rate or clip the gradient's norm."
            )


def positive(name: str, value: Any) -> None:
    """Raises unless a value is an integer of at least 1."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ValueError(f"{name}: expected an integer of at least 1; received {value!r}.")


def split_batch(batch: Any) -> tuple[Any, Any]:
    """Inputs and targets: of a pair, with sample weights (left out), of inputs alone, or of a dataset's first batch."""
    if isinstance(batch, tf.data.Dataset):
        batch = next(iter(batch), None)
        if batch is None:
            raise ValueError("batch: expected a dataset of at least one batch; received an empty one.")
    if not isinstance(batch, tuple):
        return batch, None
    if not 1 <= len(batch) <= 3:
        raise ValueError(f"batch: expected (inputs, targets) or inputs; received a tuple of {len(batch)}.")
    return batch[0], batch[1] if len(batch) > 1 else None


def check_inputs(inputs: Any, rows: int | None = None, model: Any = None) -> Any:
    """The inputs as tensors, the first rows of them.

    All rows where a stateful layer is built for their number.
    """
    if rows is not None and (isinstance(rows, bool) or not hasattr(rows, "__index__") or rows < 1):
        raise ValueError(f"rows: expected a positive integer, or None for all; received {rows!r}.")
    if inputs is None:
        raise ValueError("inputs: expected an array, (batch, time, …); received None.")
    tensors = keras.tree.map_structure(tf.convert_to_tensor, inputs)
    for tensor in keras.tree.flatten(tensors):
        if tensor.dtype.is_floating and not bool(tf.reduce_all(tf.math.is_finite(tensor))):
            raise ValueError("inputs: expected finite numbers; received NaN or infinite ones. Leave those rows out.")
        if tensor.shape.rank and tensor.shape[0] == 0:
            raise ValueError("inputs: expected at least one row; received an empty batch.")
    return tensors if has_fixed_rows(model) else first_rows(tensors, rows)


def has_fixed_rows(model: Any) -> bool:
    return model is not None and any(layer.stateful for layer in recurrent_layers(model))


def first_rows(values: Any, rows: int | None) -> Any:
    return keras.tree.map_structure(lambda value: value[:rows], values)


def check_steps(layers: list[Any]) -> None:
    """Raises where nothing was recorded, or where there is no time to go back in."""
    if not layers:
        raise ValueError("model: its recurrent layers were not run on this batch, so that there is nothing to look at.")
    for recorded in layers:
        if recorded.steps < 2:
            raise ValueError(
                f"inputs: expected sequences of at least 2 steps; layer {recorded.name!r} received {recorded.steps}. "
                "Give a batch with a longer time axis."
            )


def step_losses(model: Any, outputs: Any, targets: Any, loss: Any) -> Any:
    """The loss of each row and time step, (batch, time); (batch, 1) where the model has one output a sequence."""
    if not (loss is None or callable(loss) or isinstance(loss, str | dict)):
        raise ValueError(
            f"loss: expected a name, a keras.losses.Loss or a function; received {type(loss).__name__}. Targets belong to "
            "the batch: (inputs, targets)."
        )
    if loss is None and targets is not None:
        loss = getattr(model, "loss", None)
        if loss is None:
            raise ValueError(
                "loss: expected a loss for the targets, as the model is not compiled; received None. Name one, such as "
                "'mse', or give no targets."
            )
    if loss is not None and targets is None:
        raise ValueError(f"targets: expected the targets of the loss {loss!r}; received None. Give both, or neither.")
    tensors = keras.tree.flatten(outputs)
    if len(tensors) != 1 and not callable(loss):
        raise ValueError(
            f"model: expected one output; it has {len(tensors)}. Give `loss`, a function of (targets, outputs) that "
            "returns (batch, time)."
        )
    if loss is None:
        values = tf.cast(tensors[0], tf.float64 if tensors[0].dtype == tf.float64 else tf.float32)
        values = tf.square(values) / 2
        if values.shape.rank == 2:
            return tf.reduce_sum(values, axis=1, keepdims=True)
    elif isinstance(loss, (dict, list, tuple)):
        raise ValueError(f"loss: expected one loss; received {type(loss).__name__}. Name the one to follow back in time.")
    else:
        loss = keras.losses.get(loss)
        if isinstance(loss, keras.losses.Loss):
            outputs, loss = tf.cast(outputs, loss.dtype), loss.call
        values = tf.convert_to_tensor(loss(keras.tree.map_structure(tf.convert_to_tensor, targets), outputs))
    if values.shape.rank == 0:
        raise ValueError("loss: expected one value for each row and step, (batch, time); received their sum or mean.")
    if values.shape.rank == 1:
        values = values[:, None]
    return tf.reduce_sum(values, axis=list(range(2, values.shape.rank)))
