"""ONNX forms of TensorFlow operations that tf2onnx lacks, as its handlers."""

from typing import Any

import numpy as np
from tf2onnx.utils import make_name

_SIGN = np.array(np.iinfo(np.int32).min, np.int32)  # the bit that tells the sign of a float32


def _erfc(ctx: Any, node: Any, name: str, args: Any) -> None:
    _replace(ctx, node, _made(ctx, "Sub", _constant(ctx, name, 1.0), _made(ctx, "Erf", node.input[0])))


def _expm1(ctx: Any, node: Any, name: str, args: Any) -> None:
    # eˣ − 1 = 2 · e^(x/2) · sinh(x/2), which near 0 loses no digits.
    x = _made(ctx, "Mul", node.input[0], _constant(ctx, name, 0.5))
    product = _made(ctx, "Mul", _made(ctx, "Exp", x), _made(ctx, "Sinh", x))
    _replace(ctx, node, _made(ctx, "Mul", product, _constant(ctx, name, 2.0)))


def _log1p(ctx: Any, node: Any, name: str, args: Any) -> None:
    # log(1 + x) = 2 · artanh(x / (2 + x)), which near 0 loses no digits, and elsewhere all.
    x, two = node.input[0], _constant(ctx, name, 2.0)
    artanh = _made(ctx, "Atanh", _made(ctx, "Div", x, _made(ctx, "Add", x, two)))
    near_0 = _made(ctx, "Less", _made(ctx, "Abs", x), _constant(ctx, name, 0.5))
    elsewhere = _made(ctx, "Log", _made(ctx, "Add", x, _constant(ctx, name, 1.0)))
    _replace(ctx, node, _made(ctx, "Where", near_0, _made(ctx, "Mul", artanh, two), elsewhere))


def _bucketize(ctx: Any, node: Any, name: str, args: Any) -> None:
    """The number of boundaries that are not above each value."""
    boundaries = np.array(node.get_attr_value("boundaries"), np.float32)
    values = _made(ctx, "Cast", node.input[0], to=1)
    values = _made(ctx, "Unsqueeze", values, _constant(ctx, name, [-1], np.int64))
    reached = _made(ctx, "GreaterOrEqual", values, _constant(ctx, name, boundaries))
    counts = _made(ctx, "ReduceSum", _made(ctx, "Cast", reached, to=6), _constant(ctx, name, [-1], np.int64), keepdims=0)
    _replace(ctx, node, counts)


def _bitcast(ctx: Any, node: Any, name: str, args: Any) -> None:
    """A float32's bits where no other than its sign is read: `keras.ops.argmax` and `argmin` tell −0 from 0 by it."""
    readers = ctx.find_output_consumers(node.output[0])
    if not readers or not all(_reads_sign(reader) for reader in readers):
        return
    zero = _constant(ctx, name, 0.0)
    inverse = _made(ctx, "Div", _constant(ctx, name, 1.0), node.input[0])  # of −0, minus infinity
    negative = _made(ctx, "Or", _made(ctx, "Less", node.input[0], zero), _made(ctx, "Less", inverse, zero))
    _replace(ctx, node, _made(ctx, "Where", negative, _constant(ctx, name, _SIGN, np.int32), _constant(ctx, name, 0, np.int32)))


def _reads_sign(node: Any) -> bool:
    if node.type != "BitwiseAnd" or not node.inputs[1].is_const():
        return False
    return np.array_equal(node.inputs[1].get_tensor_value(as_list=False), _SIGN)


def _made(ctx: Any, op: str, *inputs: str, **attributes: Any) -> str:
    return ctx.make_node(op, list(inputs), attr=attributes).output[0]


def _constant(ctx: Any, name: str, value: Any, dtype: Any = np.float32) -> str:
    return ctx.make_const(make_name(f"{name}/constant"), np.asarray(value, dtype)).output[0]


def _replace(ctx: Any, node: Any, new: str) -> None:
    ctx.copy_shape(node.output[0], new)
    ctx.copy_dtype(node.output[0], new)
    ctx.replace_all_inputs(node.output[0], new)
    ctx.remove_node(node.name)


HANDLERS = {
    "Bitcast": (_bitcast, []), "Bucketize": (_bucketize, []), "Erfc": (_erfc, []), "Expm1": (_expm1, []), "Log1p": (_log1p, []),
}  # fmt: skip
