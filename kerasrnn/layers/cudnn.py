"""LSTM and GRU by cuDNN on a GPU: when it can run a layer, and how.

Written to the conditions that Keras documents, and tested on a CPU against a stand-in for TensorFlow's op. It has
never run on a GPU.
"""

from typing import Any

from kerasrnn._backend import keras, tf

_TANH = (keras.activations.tanh, keras.ops.tanh, tf.tanh)
_SIGMOID = (keras.activations.sigmoid, keras.ops.sigmoid, tf.sigmoid)


def cudnn_obstacles(layer: Any) -> list[str]:
    """What keeps cuDNN from running a layer, in words; [] where nothing does.

    Masks and sequences of no steps are seen only when the layer is called: see `cudnn_takes`.
    """
    cell = layer.cell
    description = (cell.recurrence() if hasattr(cell, "recurrence") else None) or {"op": None}
    if description["op"] not in ("LSTM", "GRU"):
        return [f"cuDNN has no {type(cell).__name__} like this one"]
    recurrent_activation, activation, *_ = description["activations"]
    dropout_masks = getattr(cell, "dropout_mask_count", None) or 1
    conditions = {
        "no GPU is visible": bool(tf.config.list_logical_devices("GPU")),
        "use_cudnn is False": layer.use_cudnn is not False,
        "unroll is True": not layer.unroll,
        "activation is not tanh": activation in _TANH,
        "recurrent_activation is not sigmoid": recurrent_activation in _SIGMOID,
        "use_bias is False": cell.use_bias,
        "reset_after is False": description.get("reset_after", True),
        "peepholes is True": description.get("peephole") is None,
        "recurrent_dropout is not 0": not cell.recurrent_dropout,
        "dropout draws one mask a gate (implementation=1)": not cell.dropout or dropout_masks == 1,
        f"the compute dtype is {cell.compute_dtype}": cell.compute_dtype in ("float16", "float32", "float64"),
        **{f"{option} is set": not getattr(layer, option) for option in ("truncate", "checkpoint_steps", "zoneout")},
    }
    return [obstacle for obstacle, met in conditions.items() if not met]


def cudnn_takes(sequences: Any, mask: Any) -> Any:
    """Whether cuDNN takes these inputs, a boolean: it aborts on others than full or right-padded, non-empty rows.

    Args:
        sequences: (time, batch, features).
        mask: (time, batch) booleans, or None.
    """
    takes = tf.size(sequences) > 0
    if mask is not None:
        takes &= tf.reduce_all(mask[:1]) & tf.reduce_all(mask[:-1] | ~mask[1:])
    return takes


def cudnn_scan(
    cell: Any, recurrent_kernel: Any, sequences: Any, states: list[Any], mask: Any, go_backwards: bool
) -> tuple[Any, list[Any]]:
    """The outputs of all steps, (time, batch, units), and the last states, as `kerasrnn.scan.fused_scan` has them.

    Args:
        cell: the cell.
        recurrent_kernel: the cell's, possibly with weights dropped.
        sequences: (time, batch, features), the inputs themselves, in the order of time.
        states: the initial states.
        mask: (time, batch) booleans, right-padded, or None.
        go_backwards: whether to read the sequences from their ends.
    """
    mode = cell.recurrence()["op"].lower()
    steps, batch = tf.unstack(tf.shape(sequences)[:2])
    lengths = tf.fill([batch], steps) if mask is None else tf.reduce_sum(tf.cast(mask, tf.int32), axis=0)

    def reverse_rows(sequences: Any) -> Any:
        return tf.reverse_sequence(sequences, lengths, seq_axis=0, batch_axis=1) if go_backwards else sequences

    states = [tf.cast(s, sequences.dtype)[None] for s in states]
    outputs, *last_states = tf.raw_ops.CudnnRNNV3(
        input=reverse_rows(sequences),
        input_h=states[0],
        input_c=states[1] if mode == "lstm" else tf.zeros((), sequences.dtype),
        params=_parameters(cell, mode, recurrent_kernel, sequences.dtype),
        sequence_lengths=lengths,
        rnn_mode=mode,
        is_training=True,  # without, there would be no gradient
        time_major=True,
    )[: 1 + len(states)]
    last_states = [s[0] for s in last_states]
    if mask is not None and not go_backwards:
        # cuDNN leaves zeros behind a row's end; Keras repeats the last output.
        outputs = tf.where(mask[:, :, None], outputs, last_states[0][None])
    if go_backwards:
        outputs = tf.reverse(reverse_rows(outputs), [0])
    return outputs, last_states


def _parameters(cell: Any, mode: str, recurrent_kernel: Any, dtype: Any) -> Any:
    """All weights in one vector: kernels a gate, transposed, then input and recurrent biases a gate."""
    gates = len(cell.gates)
    order = {"lstm": [0, 1, 2, 3], "gru": [1, 0, 2]}[mode]  # cuDNN's r, z, h are our z, r, h
    if mode == "lstm" and tf.sysconfig.get_build_info()["is_rocm_build"]:
        order = [0, 1, 3, 2]

    def by_gate(weight: Any) -> list[Any]:
        blocks = tf.split(tf.cast(weight, dtype), gates, axis=-1)
        return [tf.reshape(tf.transpose(blocks[i]), [-1]) for i in order]

    bias = tf.convert_to_tensor(cell.bias)
    input_bias, recurrent_bias = (tf.zeros_like(bias), bias) if mode == "lstm" else tf.unstack(bias)
    vectors = [v for w in (cell.kernel, recurrent_kernel, input_bias, recurrent_bias) for v in by_gate(w)]
    return tf.concat(vectors, axis=0)
