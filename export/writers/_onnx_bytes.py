"""Bytes in ONNX, which has no operation that takes a string's bytes apart or makes well-formed UTF-8 of some.

A character's bytes come out of its MurmurHash3, which onnxruntime computes of strings and which loses nothing of so
few of them: every step of it can be undone (multiplications modulo 2³² by the inverse of their odd factor).
"""

from typing import Any

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.v20 as op

from kerasrnn.export.writers._onnx_sampling import any_of, integer, when
from kerasrnn.export.writers._onnx_tokenizer import Tokenizer, characters, joined

_32_BITS = 2**32 - 1
_END = 2**63 - 1
_LENGTHS = [*[1] * 0x80, *[0] * 0x42, *[2] * 0x1E, *[3] * 0x10, *[4] * 5, *[0] * 13]  # of what begins with a byte
_LEAST, _MOST = {0xE0: 0xA0, 0xF0: 0x90}, {0xED: 0x9F, 0xF4: 0x8F}  # the second byte's, where not 0x80 and 0xBF


class ByteTokenizer(Tokenizer):
    """One token a byte; what is written is well-formed UTF-8, with U+FFFD for what is none, as Python replaces it."""

    def tokenize(self, text: Any) -> tuple[Any, Any]:
        found = characters(text)
        sizes = _sizes(found)
        code = _bytes_of(found, sizes)
        lengths = op.reduce_sum(sizes, integer([1]), keepdims=0)
        none = integer(self.unknown_token_id)

        def in_place() -> Any:
            byte = op.range(integer(0), integer(4), integer(1))
            bits = op.cast(op.mul(byte, integer(8)), to=np.uint64)
            parts = op.bit_shift(op.unsqueeze(code, integer([2])), bits, direction="RIGHT")
            parts = op.cast(op.bitwise_and(parts, _uint64(0xFF)), to=np.int64)
            # What is no byte lands in one column more, which is cut off.
            width = op.reduce_max(op.concat([integer([0]), lengths], axis=0), keepdims=1)
            begin = op.cumsum(sizes, integer(1), exclusive=1)
            place = op.add(op.unsqueeze(begin, integer([2])), byte)
            place = op.where(op.less(byte, op.unsqueeze(sizes, integer([2]))), place, width)
            rows = op.shape(text)
            flat = op.concat([rows, op.mul(op.shape(found, start=1), integer([4]))], axis=0)
            empty = op.expand(none, op.concat([rows, op.add(width, integer([1]))], axis=0))
            filled = op.scatter_elements(
                empty, op.reshape(place, flat, allowzero=1), op.reshape(parts, flat, allowzero=1), axis=1
            )
            return op.slice(filled, integer([0]), integer([-1]), integer([1]))

        longer = any_of(op.greater(op.reshape(sizes, integer([-1])), integer(1)))
        # Where all are one byte, the bytes are in their places; this takes a quarter of the memory.
        one_each = op.where(op.greater(sizes, integer(0)), op.cast(code, to=np.int64), none)
        return when(longer, in_place, lambda: one_each), lengths

    def spelled(self, text: Any) -> tuple[Any, Any]:
        """The tokens that write a text, as `tokenize` gives them; of one with U+FFFD the unknown one, never drawn."""
        token_ids, lengths = self.tokenize(text)
        replaced = op.cast(op.equal(characters(text), op.const("\ufffd")), to=np.int64)
        never = op.greater(op.reduce_sum(replaced, integer([1]), keepdims=1), integer(0))
        return op.where(never, integer(self.unknown_token_id), token_ids), lengths

    def detokenize(self, token_ids: Any, is_token: Any) -> Any:
        token_ids = op.where(is_token, token_ids, integer(self.unknown_token_id))
        lengths = op.gather(integer([*_LENGTHS, 0]), token_ids)
        least, most = (
            op.gather(integer([ends.get(byte, usual) for byte in range(257)]), token_ids)
            for ends, usual in ((_LEAST, 0x80), (_MOST, 0xBF))
        )
        # How many bytes there are, from each first one on, of the character that it begins.
        run, so_far = op.cast(op.greater(lengths, integer(0)), to=np.int64), op.greater(lengths, integer(1))
        for distance in range(1, 4):
            following = _moved(token_ids, -distance, self.unknown_token_id)
            so_far = op.and_(so_far, op.less(integer(distance), lengths))
            so_far = op.and_(so_far, op.and_(op.less_or_equal(least, following), op.less_or_equal(following, most)))
            run = op.add(run, op.cast(so_far, to=np.int64))
            least, most = integer(0x80), integer(0xBF)
        whole = op.where(op.equal(run, lengths), run, integer(0))
        is_valid, is_swallowed = op.greater(whole, integer(0)), op.less(run, integer(0))
        for distance in range(1, 4):
            is_valid = op.or_(is_valid, op.greater(_moved(whole, distance, 0), integer(distance)))
            is_swallowed = op.or_(is_swallowed, op.greater(_moved(run, distance, 0), integer(distance)))
        replaced = op.where(is_swallowed, op.const(""), op.const("\ufffd"))  # one for all the bytes of half a character
        pieces = op.where(is_valid, op.gather(_strings_of_a_byte(), token_ids), replaced)
        return joined(op.where(is_token, pieces, op.const("")))


def _moved(values: Any, distance: int, fill: int) -> Any:
    """(batch, time), each value `distance` places further on, or back where negative."""
    filled = op.expand(integer(fill), op.concat([op.shape(values, end=1), integer([abs(distance)])], axis=0))
    both = [filled, values] if distance > 0 else [values, filled]
    begin, end = (0, -distance) if distance > 0 else (-distance, _END)
    return op.slice(op.concat(both, axis=1), integer([begin]), integer([end]), integer([1]))


def _sizes(found: Any) -> Any:
    """The number of bytes of each character, int64, and 0 of what is none."""
    sizes = op.cast(op.not_(op.equal(found, op.const(""))), to=np.int64)
    for pattern in (r"[^\x{0}-\x{7f}]", r"[^\x{0}-\x{7ff}]", r"[^\x{0}-\x{ffff}]"):
        sizes = op.add(sizes, op.cast(op.regex_full_match(found, pattern=pattern), to=np.int64))
    return sizes


def _bytes_of(found: Any, sizes: Any) -> Any:
    """Each character's bytes as one number, uint64, the first byte the lowest."""
    code = op.cast(_murmur_hash(found), to=np.uint64)
    code = op.bitwise_xor(code, _shifted(code, 16))
    code = _times(code, pow(0xC2B2AE35, -1, 2**32))
    code = op.bitwise_xor(op.bitwise_xor(code, _shifted(code, 13)), _shifted(code, 26))
    code = _times(code, pow(0x85EBCA6B, -1, 2**32))
    code = op.bitwise_xor(op.bitwise_xor(code, _shifted(code, 16)), op.cast(sizes, to=np.uint64))
    # Four bytes are a block, fewer its rest, which is not turned and added to.
    block = op.bitwise_and(op.add(code, _uint64(2**32 - 0xE6546B64)), _uint64(_32_BITS))
    block = _turned(_times(block, pow(5, -1, 2**32)), 13)
    code = _either(op.equal(sizes, integer(4)), block, code)
    code = _times(_turned(_times(code, pow(0x1B873593, -1, 2**32)), 15), pow(0xCC9E2D51, -1, 2**32))
    return _either(op.greater(sizes, integer(0)), code, _uint64(0))


def _either(condition: Any, one: Any, other: Any) -> Any:
    """Where, which onnxruntime does not have for uint64."""
    return op.cast(op.where(condition, op.cast(one, to=np.int64), op.cast(other, to=np.int64)), to=np.uint64)


def _murmur_hash(strings: Any) -> Any:
    node = onnx.helper.make_node("MurmurHash3", ["strings"], ["hashes"], domain="com.microsoft", seed=0, positive=1)
    types = (("strings", onnx.TensorProto.STRING), ("hashes", onnx.TensorProto.UINT32))
    values = [onnx.helper.make_tensor_value_info(name, type, [None, None]) for name, type in types]
    graph = onnx.helper.make_graph([node], "hashes", values[:1], values[1:])
    return _inlined(graph)(strings)["hashes"]


def _strings_of_a_byte() -> Any:
    """256 strings, most of which are no UTF-8 by themselves, and an empty one."""
    strings = [*(bytes([byte]) for byte in range(256)), b""]
    node = onnx.helper.make_node("Constant", [], ["bytes"], value_strings=strings)
    value = onnx.helper.make_tensor_value_info("bytes", onnx.TensorProto.STRING, [257])
    return _inlined(onnx.helper.make_graph([node], "bytes", [], [value]))()["bytes"]


def _inlined(graph: onnx.GraphProto) -> Any:
    opsets = [onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("com.microsoft", 1)]
    return spox.inline(onnx.helper.make_model(graph, opset_imports=opsets))


def _times(values: Any, factor: int) -> Any:
    return op.bitwise_and(op.mul(values, _uint64(factor)), _uint64(_32_BITS))


def _turned(values: Any, bits: int) -> Any:
    """32 bits, turned right."""
    left = op.bit_shift(values, _uint64(32 - bits), direction="LEFT")
    return op.bitwise_and(op.bitwise_or(_shifted(values, bits), left), _uint64(_32_BITS))


def _shifted(values: Any, bits: int) -> Any:
    return op.bit_shift(values, _uint64(bits), direction="RIGHT")


def _uint64(value: int) -> Any:
    return op.const(np.array(value, np.uint64))
