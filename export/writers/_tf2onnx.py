"""tf2onnx with Keras's repair for NumPy 2, with constants that are captured, and with operations that it lacks."""

import logging
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from keras.src.export.tf2onnx_lib import patch_tf2onnx
from tf2onnx import tf_loader
from tf2onnx.optimizer import back_to_back_optimizer

from kerasrnn.export.writers._missing_forms import HANDLERS
from kerasrnn.export.writers._nodes import every_node

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # of NumPy, at the patch's own look for `numpy.object`
    patch_tf2onnx()  # Keras does so before its own conversions, and does not export it
logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)  # a failure shows when the result is checked


def convert_function(
    function: Callable[..., Any],
    inputs: list[tf.TensorSpec],
    opset: int,
    handlers: dict[str, Any] | None = None,
    extra_opset: Any = None,
    apart: Sequence[keras.Variable] = (),
) -> onnx.ModelProto:
    """Converts a function of tensors; operations without an ONNX form are left in, for a check to find.

    tf2onnx would take a tensor that the function captures, as a regulariser's factor, for one more input.

    Args:
        function: the function, returning a dictionary or list of tensors.
        inputs: specifications of its arguments, with names.
        opset: ONNX's.
        handlers: further operations' handlers, as tf2onnx takes them.
        extra_opset: further domains, as tf2onnx takes them.
        apart: variables that go around TensorFlow's graph, which with them would be larger than it can be.
    """

    def with_weights(*values: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(apart, values[len(inputs) :]))):
            return function(*values[: len(inputs)])

    weights = [tf.TensorSpec(v.shape, v.dtype, name=f"weight_{i}") for i, v in enumerate(apart)]
    traced = tf.function(with_weights if apart else function, [*inputs, *weights])
    concrete = traced.get_concrete_function()
    names = [tensor.name for tensor in concrete.inputs[: len(inputs) + len(apart)]]
    arguments = names[: len(inputs)]
    captured = {
        inner.name: outer
        for outer, inner in concrete.graph.captures
        if inner.dtype != tf.resource and inner.op.type == "Placeholder"
    }
    captured |= dict(zip(names[len(inputs) :], apart))
    input_names, output_names = [*arguments, *captured], [tensor.name for tensor in concrete.outputs]
    renamed = tf2onnx.convert.tensor_names_from_structed(concrete, arguments, output_names)
    with tf.device("/cpu:0"):
        proto, _ = tf2onnx.convert._convert_common(
            tf_loader.from_function(concrete, input_names, output_names),
            name=concrete.name,
            continue_on_error=True,
            opset=opset,
            custom_op_handlers={**HANDLERS, **(handlers or {})},
            extra_opset=extra_opset,
            input_names=input_names,
            output_names=output_names,
            tensors_to_rename=renamed,
        )
    read = {name for node in every_node(proto.graph) for name in node.input}
    for value in list(proto.graph.input):
        if value.name in captured and value.name in read:
            proto.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(captured[value.name]), value.name))
        if value.name in captured:
            proto.graph.input.remove(value)
    return proto


_MERGES = back_to_back_optimizer._func_map
_merge_reshapes = _MERGES[("Reshape",)]


def _merge_if_possible(graph: Any, node: Any, consumers: list[Any]) -> Any:
    """tf2onnx makes one of two reshapes even where a 0 in the second means a dimension of what the first gives."""
    shapes = [after.inputs[1] for after in consumers if after.type == "Reshape"]
    refers = any(shape.is_const() and 0 in shape.get_tensor_value() for shape in shapes)
    return [] if refers else _merge_reshapes(graph, node, consumers)


_MERGES[("Reshape",)] = _merge_if_possible
