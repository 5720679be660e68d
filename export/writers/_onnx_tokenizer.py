"""A tokenizer's JSON specification as ONNX: text to token ids, and token ids to text."""

from typing import Any

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.ml.v4 as ml
import spox.opset.ai.onnx.v20 as op

from kerasrnn.export.writers._onnx_sampling import integer, when

_PAD = "\ufffd\ufffd"  # two characters, so that no character equals it


class CharTokenizer:
    """One token a Unicode code point; what is not in the vocabulary becomes the unknown token."""

    def __init__(self, specification: dict[str, Any]) -> None:
        self.vocabulary = specification["vocabulary"]
        self.start_token_id = self.vocabulary.index(specification["start_token"])
        self.unknown_token_id = self.vocabulary.index(specification["unknown_token"])

    def tokenize(self, text: Any) -> tuple[Any, Any]:
        """Strings (batch,) → token ids int64 (batch, time), the unknown token after a row's end; lengths int64 (batch,)."""
        characters = _characters(text)
        token_ids = ml.label_encoder(
            characters, keys_strings=self.vocabulary, values_int64s=list(range(len(self.vocabulary))),
            default_int64=self.unknown_token_id,
        )  # fmt: skip
        is_character = op.not_(op.equal(characters, op.const(_PAD)))
        return token_ids, op.reduce_sum(op.cast(is_character, to=np.int64), integer([1]), keepdims=0)

    def detokenize(self, token_ids: Any, is_token: Any) -> Any:
        """Token ids (batch, time) and which of them count → strings (batch,)."""
        pieces = op.where(is_token, op.gather(op.constant(value_strings=self.vocabulary), token_ids), op.const(""))
        return joined(pieces)


def joined(pieces: Any) -> Any:
    """Strings (batch, time), each row joined to one: neighbours pair by pair, so that long texts take n log n time.

    Only the last axis is taken apart: onnxruntime gathers single strings rightly, and of blocks the first string only.
    """
    nothing = op.expand(op.const(""), op.concat([op.shape(pieces, end=1), integer([1])], axis=0))

    def halved(_: Any, __: Any, pieces: Any) -> list[Any]:
        pairs = op.div(op.add(op.shape(pieces, start=1), integer(1)), integer(2))
        even = op.slice(op.concat([pieces, nothing], axis=1), integer([0]), op.mul(pairs, integer(2)), integer([1]))
        paired = op.reshape(even, op.concat([op.shape(pieces, end=1), pairs, integer([2])], axis=0), allowzero=1)
        pieces = op.string_concat(op.gather(paired, integer(0), axis=2), op.gather(paired, integer(1), axis=2))
        return [op.greater(pairs, integer(1)), pieces]

    (whole,) = op.loop(cond=op.const(np.array([True])), v_initial=[op.concat([pieces, nothing], axis=1)], body=halved)
    return op.gather(whole, integer(0), axis=1)


def _characters(text: Any) -> Any:
    """onnxruntime's own Tokenizer, which ONNX has no other name for: with an empty separator it splits code points."""
    node = onnx.helper.make_node(
        "Tokenizer", ["text"], ["characters"], domain="com.microsoft", mark=0, mincharnum=1, pad_value=_PAD, separators=[""]
    )
    strings = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.STRING, [None] * rank)
        for name, rank in (("text", 1), ("characters", 2))
    ]
    graph = onnx.helper.make_graph([node], "characters", strings[:1], strings[1:])
    opsets = [onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("com.microsoft", 1)]
    split = spox.inline(onnx.helper.make_model(graph, opset_imports=opsets))
    # Of no strings it makes a tensor of one axis.
    return when(
        op.greater(op.size(text), integer(0)),
        lambda: split(text)["characters"],
        lambda: op.expand(op.const(""), integer([0, 0])),
    )


def tokenizer_of(specification: dict[str, Any]) -> CharTokenizer:
    class_name = specification["class_name"]
    if class_name != "CharTokenizer":
        raise ValueError(f"tokenizer: expected a CharTokenizer, the only one with an ONNX form; received a {class_name}")
    return CharTokenizer(specification)
