"""A tokenizer's JSON specification as ONNX: text to token ids, and token ids to text."""

from typing import Any

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.ml.v4 as ml
import spox.opset.ai.onnx.v20 as op

from kerasrnn.export.writers._onnx_sampling import integer, when

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAD = ""  # no token is empty


class _Tokenizer:
    def __init__(self, specification: dict[str, Any]) -> None:
        self.vocabulary = specification["vocabulary"]
        self.start_token_id = self.vocabulary.index(specification["start_token"])
        self.unknown_token_id = self.vocabulary.index(specification["unknown_token"])
        self._ids, self._default = {token: id for id, token in enumerate(self.vocabulary)}, self.unknown_token_id
        self._separator = ""

    def tokenize(self, text: Any) -> tuple[Any, Any]:
        """Strings (batch,) → token ids int64 (batch, time), the unknown token after a row's end; lengths int64 (batch,)."""
        tokens = self._tokens(text)
        token_ids = ml.label_encoder(
            tokens, keys_strings=list(self._ids), values_int64s=list(self._ids.values()), default_int64=self._default
        )
        is_token = op.not_(op.equal(tokens, op.const(_PAD)))
        token_ids = op.where(is_token, token_ids, integer(self.unknown_token_id))
        return token_ids, op.reduce_sum(op.cast(is_token, to=np.int64), integer([1]), keepdims=0)

    def detokenize(self, token_ids: Any, is_token: Any) -> Any:
        """Token ids (batch, time) and which of them count → strings (batch,)."""
        pieces = op.gather(op.constant(value_strings=self.vocabulary), token_ids)
        if self._separator:
            time = op.range(integer(0), op.squeeze(op.shape(token_ids, start=1), integer([0])), integer(1))
            is_first = op.less(time, integer(1))
            pieces = op.string_concat(op.where(is_first, op.const(""), op.const(self._separator)), pieces)
        return joined(op.where(is_token, pieces, op.const("")))

    def _tokens(self, text: Any) -> Any:
        raise NotImplementedError


class CharTokenizer(_Tokenizer):
    """One token a Unicode code point; what is not in the vocabulary becomes the unknown token."""

    def __init__(self, specification: dict[str, Any]) -> None:
        super().__init__(specification)
        if specification.get("normalization"):
            raise ValueError(
                f"tokenizer: expected normalization=None, since ONNX has no {specification['normalization']}; normalize the "
                "texts before"
            )
        self._options: dict[str, Any] = {"separators": [""]}
        self._ids |= {one: self._ids[other] for one, other in specification.get("aliases", {}).items()}
        if specification.get("standardize") == "letters":
            self._options = {"tokenexp": "[A-Za-z]|[^A-Za-z]+"}
            self._default = self._ids[" "]
            self._ids = {letter: self._ids.get(letter, self.unknown_token_id) for letter in _LETTERS}

    def _tokens(self, text: Any) -> Any:
        return _split(text, **self._options)


class WordTokenizer(_Tokenizer):
    """One token a match of the pattern, in the lower case of each code point if asked for."""

    def __init__(self, specification: dict[str, Any]) -> None:
        super().__init__(specification)
        self._pattern, self._lowercase = specification["pattern"], specification["lowercase"]
        self._separator = specification["separator"]

    def _tokens(self, text: Any) -> Any:
        if self._lowercase:
            characters = _split(text, separators=[""])
            pairs = [(c, c.lower()) for c in map(chr, range(0x110000)) if len(c.lower()) == 1 and c.lower() != c]
            lower = ml.label_encoder(
                characters, keys_strings=[c for c, _ in pairs], values_strings=[c for _, c in pairs], default_string=_PAD
            )
            text = joined(op.where(op.equal(lower, op.const(_PAD)), characters, lower))
        return _split(text, tokenexp=self._pattern)


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


def _split(text: Any, **options: Any) -> Any:
    """onnxruntime's own Tokenizer, which ONNX has no other name for: it splits code points where the separator is empty."""
    node = onnx.helper.make_node(
        "Tokenizer", ["text"], ["tokens"], domain="com.microsoft", mark=0, mincharnum=1, pad_value=_PAD, **options
    )
    strings = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.STRING, [None] * rank)
        for name, rank in (("text", 1), ("tokens", 2))
    ]
    graph = onnx.helper.make_graph([node], "tokens", strings[:1], strings[1:])
    opsets = [onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("com.microsoft", 1)]
    split = spox.inline(onnx.helper.make_model(graph, opset_imports=opsets))
    # Of no strings it makes a tensor of one axis.
    return when(
        op.greater(op.size(text), integer(0)),
        lambda: split(text)["tokens"],
        lambda: op.expand(op.const(""), integer([0, 0])),
    )


def tokenizer_of(specification: dict[str, Any]) -> CharTokenizer | WordTokenizer:
    """Returns a tokenizer's ONNX form, or raises a ValueError where it has none: ONNX cannot take strings' bytes apart."""
    classes = {"CharTokenizer": CharTokenizer, "WordTokenizer": WordTokenizer}
    class_name = specification["class_name"]
    if class_name not in classes:
        raise ValueError(
            f"tokenizer: expected a {' or a '.join(classes)}, which have an ONNX form; received a {class_name}"
        )
    return classes[class_name](specification)
