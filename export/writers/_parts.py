"""A model as parts of larger ONNX graphs: what reads a chunk of text, takes one token, or forecasts; with shared weights."""

import hashlib
from typing import Any

import keras
import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.v20 as op
import tensorflow as tf

from kerasrnn.export.writers._convert import convert

_OPSET = 20  # the first with the operations on strings
_SMALL = 1024  # bytes; what is smaller stays where it is used


class Parts:
    """Functions of spox values that hold a model's converted graphs.

    Args:
        model: a model; for all but `of_function` a language model, with `state_names` and `call(token_ids,
            initial_state=…, mask=…, return_state=True)`.
        quantize: how weights are stored, as `convert` takes it.
    """

    def __init__(self, model: keras.Model, quantize: str | None = None) -> None:
        self.model, self._quantize = model, quantize
        self._weights: dict[bytes, tuple[Any, onnx.TensorProto]] = {}

    def initial_states(self, rows: Any) -> list[Any]:
        """The states before the first token, each (rows, units); `rows` is int64 (1,)."""
        one_row = [np.asarray(state) for state in self.model.get_initial_state(1)]
        return [op.expand(op.const(s), op.concat([rows, op.const([s.shape[1]])], axis=0)) for s in one_row]

    def reader(self, logits: bool) -> Any:
        """A function of token ids (batch, time), lengths (batch,), both int32, and states → logits if wanted, new states."""

        def read(token_ids: Any, lengths: Any, *states: Any) -> list[Any]:
            mask = tf.sequence_mask(lengths, tf.shape(token_ids)[1])
            outputs, states = self.model(token_ids, initial_state=list(states), mask=mask, return_state=True)
            return [outputs, *states] if logits else states

        inputs = [tf.TensorSpec((None, None), tf.int32, "token_ids"), tf.TensorSpec((None,), tf.int32, "lengths"), *self._states]
        return self._inlined(convert(self.model, read, inputs, right_padded=True, quantize=self._quantize))

    def one_token(self) -> Any:
        """A function of token ids (batch,) int32, at least one, and states → logits (batch, vocabulary), new states."""

        def advance(token_ids: Any, *states: Any) -> list[Any]:
            logits, states = self.model(token_ids[:, None], initial_state=list(states), return_state=True)
            return [logits[:, 0], *states]

        inputs = [tf.TensorSpec((None,), tf.int32, "token_ids"), *self._states]
        return self._inlined(convert(self.model, advance, inputs, guarded=False, quantize=self._quantize))

    @property
    def _states(self) -> list[tf.TensorSpec]:
        named = zip(self.model.state_names, self.model.get_initial_state(1))
        return [tf.TensorSpec((None, state.shape[-1]), state.dtype, name=name) for name, state in named]

    def of_function(self, function: Any, inputs: list[tf.TensorSpec]) -> Any:
        """A function of spox values, from one of tensors like `inputs` that gives one tensor."""
        converted = self._inlined(convert(self.model, lambda *tensors: [function(*tensors)], inputs, quantize=self._quantize))
        return lambda *values: converted(*values)[0]

    def _inlined(self, proto: onnx.ModelProto) -> Any:
        large = [w for w in proto.graph.initializer if len(w.raw_data) >= _SMALL]
        small = [w for w in proto.graph.initializer if len(w.raw_data) < _SMALL]
        shared = {w.name: self._shared(w) for w in large}
        proto.graph.input.extend(onnx.helper.make_tensor_value_info(w.name, w.data_type, w.dims) for w in large)
        del proto.graph.initializer[:]
        proto.graph.initializer.extend(small)
        inline = spox.inline(onnx.version_converter.convert_version(proto, _OPSET))
        return lambda *values: list(inline(*values, **shared).values())

    def _shared(self, weight: onnx.TensorProto) -> Any:
        key = hashlib.sha256(weight.raw_data).digest() + str((weight.data_type, weight.dims)).encode()
        if key not in self._weights:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(weight.data_type)
            self._weights[key] = spox.argument(spox.Tensor(dtype, tuple(weight.dims))), weight
        return self._weights[key][0]

    def build(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> onnx.ModelProto:
        """The whole graph, with the weights of what was inlined."""
        weights = {f"weight_{i}": pair for i, pair in enumerate(self._weights.values())}
        model = spox.build(inputs | {name: value for name, (value, _) in weights.items()}, outputs)
        taken = [value for value in model.graph.input if value.name not in weights]
        del model.graph.input[:]
        model.graph.input.extend(taken)
        for name, (_, weight) in weights.items():
            weight.name = name
            model.graph.initializer.append(weight)
        return model
