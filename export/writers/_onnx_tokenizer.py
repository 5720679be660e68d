"""A tokenizer's JSON specification as ONNX: text to token ids, and token ids to text."""

import functools
from typing import Any

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.ml.v4 as ml
import spox.opset.ai.onnx.v20 as op

from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification
from kerasrnn.export.writers._onnx_sampling import integer, when

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAD = ""  # no token is empty


class Tokenizer:
    def __init__(self, specification: dict[str, Any]) -> None:
        self._specification = specification
        self.vocabulary = specification["vocabulary"]
        self.start_token_id = self.vocabulary.index(specification["start_token"])
        self.unknown_token_id = self.vocabulary.index(specification["unknown_token"])
        controls = [specification.get(name) for name in ("end_token", "padding_token")]  # which no text holds
        self.end_token_id = None if controls[0] is None else self.vocabulary.index(controls[0])
        self._ids = {token: id for id, token in enumerate(self.vocabulary) if token not in controls}
        self._default = self.unknown_token_id
        self._separator = ""

    @functools.cached_property
    def never_drawn(self) -> list[int]:
        return tokenizer_from_specification(self._specification).never_drawn

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
        time = op.range(integer(0), op.squeeze(op.shape(token_ids, start=1), integer([0])), integer(1))
        return joined(op.where(is_token, self.pieces(token_ids, op.less(time, integer(1))), op.const("")))

    def pieces(self, token_ids: Any, is_first: Any) -> Any:
        """What each token id (batch, time) adds to a text, strings; before the first one stands nothing."""
        pieces = op.gather(op.constant(value_strings=self.vocabulary), token_ids)
        if not self._separator:
            return pieces
        return op.string_concat(op.where(is_first, op.const(""), op.const(self._separator)), pieces)

    def _tokens(self, text: Any) -> Any:
        raise NotImplementedError


class CharTokenizer(Tokenizer):
    """One token a Unicode code point; what is not in the vocabulary becomes the unknown token."""

    def __init__(self, specification: dict[str, Any]) -> None:
        super().__init__(specification)
        if specification.get("normalization"):
            raise ValueError(
                f"ONNX has no {specification['normalization']}; leave normalization out, and normalize texts before"
            )
        self._options: dict[str, Any] = {"separators": [""]}
        self._texts = {*self._ids}
        self._ids |= {one: self._ids[other] for one, other in specification.get("aliases", {}).items()}
        if specification.get("standardize") == "letters":
            self._options = {"tokenexp": "[A-Za-z]|[^A-Za-z]+"}
            self._default = self._ids[" "]
            self._ids = {letter: self._ids.get(letter, self.unknown_token_id) for letter in _LETTERS}

    def spelled(self, text: Any) -> tuple[Any, Any]:
        """The tokens that write a text as it is, as `tokenize` gives them; where none does the unknown one, never drawn."""
        written = {token: id for id, token in enumerate(self.vocabulary) if token != "\ufffd" and token in self._texts}
        found = characters(text)
        token_ids = ml.label_encoder(
            found, keys_strings=list(written), values_int64s=list(written.values()), default_int64=self.unknown_token_id
        )
        is_token = op.cast(op.not_(op.equal(found, op.const(_PAD))), to=np.int64)
        return token_ids, op.reduce_sum(is_token, integer([1]), keepdims=0)

    def _tokens(self, text: Any) -> Any:
        return _split(text, **self._options)


class WordTokenizer(Tokenizer):
    """One token a match of the pattern, in the lower case of each code point if asked for."""

    def __init__(self, specification: dict[str, Any]) -> None:
        super().__init__(specification)
        self._pattern, self._lowercase = specification["pattern"], specification["lowercase"]
        self._separator = specification["separator"]

    def lengths(self, token_ids: Any, is_first: Any) -> Any:
        """The number of characters of each of `pieces`, int64."""
        lengths = op.gather(integer([len(token) for token in self.vocabulary]), token_ids)
        return op.add(lengths, op.where(is_first, integer(0), integer(len(self._separator))))

    def _tokens(self, text: Any) -> Any:
        if self._lowercase:
            found = characters(text)
            pairs = [(c, c.lower()) for c in map(chr, range(0x110000)) if len(c.lower()) == 1 and c.lower() != c]
            lower = ml.label_encoder(
                found, keys_strings=[c for c, _ in pairs], values_strings=[c for _, c in pairs], default_string=_PAD
            )
            text = joined(op.where(op.equal(lower, op.const(_PAD)), found, lower))
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


def characters(text: Any) -> Any:
    """Strings (batch,) → their code points, strings (batch, time), empty after a row's end."""
    return _split(text, separators=[""])


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
