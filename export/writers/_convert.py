"""A function of tensors through tf2onnx, with the model's recurrences as native nodes."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnx
import tensorflow as tf
from onnx import TensorProto

from kerasrnn.export.writers._lowering import lower_markers
from kerasrnn.export.writers._markers import DOMAIN, marker_handler, recurrences_as_markers
from kerasrnn.export.writers._nodes import every_node
from kerasrnn.export.writers._quantisation import quantize as quantize_weights
from kerasrnn.export.writers._tf2onnx import convert_function
from kerasrnn.export.writers._weights_file import too_large, weight_bytes
from kerasrnn.export.writers.fates import fates_of, layer_of, native_operations

_LARGE = 2**20  # bytes
OPSET = 18  # the last one that tf2onnx writes


def convert(
    model: keras.Model,
    function: Callable[..., Any],
    inputs: list[tf.TensorSpec],
    right_padded: bool = False,
    guarded: bool = True,
    quantize: str | None = None,
    fates: dict[str, str] | None = None,
) -> onnx.ModelProto:
    """Converts a function that calls the model.

    Args:
        model: the model, traced as `recurrences_as_markers` says.
        function: of tensors as in `inputs`, returning tensors.
        inputs: their specifications, with names.
        right_padded: whether masks within hide nothing but the ends of rows.
        guarded: whether batches or sequences may be empty.
        quantize: how weights are stored, if otherwise than as they are: one of `_quantisation.KINDS`.
        fates: is filled with what became of each recurrent layer, by its name.

    Raises:
        ValueError: the function holds an operation that has no ONNX form.
    """
    sizes = [(v, int(np.prod(v.shape)) * np.dtype(v.dtype).itemsize) for v in model.variables]
    large = [v for v, size in sizes if size >= _LARGE] if too_large(sum(size for _, size in sizes)) else []
    with recurrences_as_markers(model, right_padded, native_operations(quantize)) as markers:
        proto = convert_function(
            function,
            inputs,
            OPSET,
            handlers={"PyFuncStateless": (marker_handler, [])},
            extra_opset=[onnx.helper.make_opsetid(DOMAIN, 1)],
            apart=large,
        )
    if fates is not None:
        loops = [node.name for node in every_node(proto.graph) if node.op_type in ("Loop", "Scan")]
        fates.update(fates_of(model, markers, quantize, loops))
    lower_markers(proto, markers, OPSET, guarded, portable=quantize != "int8")
    _let_reshapes_be_empty(proto.graph)
    _let_reductions_be_empty(proto)
    if quantize:
        quantize_weights(proto, quantize)
    if lost := [node for node in every_node(proto.graph) if not node.domain and not onnx.defs.has(node.op_type)]:
        layer = layer_of((lost[0].name, *lost[0].output), model)
        raise ValueError(
            f"{layer}: its operation {lost[0].op_type} has no ONNX form, so that {model.name} cannot be "
            "exported; nothing was written. Use another layer or activation there, or format='tf_saved_model'"
        )
    if not too_large(weight_bytes(proto)):  # which the checker cannot take; onnxruntime will
        onnx.checker.check_model(proto)
    return proto


def _let_reshapes_be_empty(graph: onnx.GraphProto) -> None:
    """A computed 0 in a shape means none, as in TensorFlow, and not ONNX's "as in the input"."""
    constants = {initializer.name for initializer in graph.initializer}
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[1] not in constants:
            node.attribute.append(onnx.helper.make_attribute("allowzero", 1))


def _let_reductions_be_empty(model: onnx.ModelProto) -> None:
    """Axes counted from the front where the rank is known: onnxruntime reduces nothing over axis −1 of an empty tensor."""
    integers = [one for one in model.graph.initializer if one.data_type == TensorProto.INT64]
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in integers}
    found = [node for node in model.graph.node if node.op_type.startswith("Reduce") and len(node.input) == 2]
    found = [node for node in found if np.any(constants.get(node.input[1], 0) < 0)]
    if not found or too_large(weight_bytes(model)):
        return
    graph = onnx.shape_inference.infer_shapes(model).graph
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in [*graph.input, *graph.value_info]}
    for node in found:
        if rank := ranks.get(node.input[0]):
            axes, node.input[1] = constants[node.input[1]] % rank, f"{node.output[0]}/axes"
            model.graph.initializer.append(onnx.numpy_helper.from_array(axes, node.input[1]))
