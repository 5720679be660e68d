"""Which tokenizers have an ONNX form, and how a stop string is found in what they write."""

from typing import Any

from kerasrnn.export.writers._onnx_bytes import ByteTokenizer
from kerasrnn.export.writers._onnx_stop import TextStop, TokenStop
from kerasrnn.export.writers._onnx_tokenizer import CharTokenizer, Tokenizer, WordTokenizer

_CLASSES: dict[str, type[Tokenizer]] = {
    "ByteTokenizer": ByteTokenizer, "CharTokenizer": CharTokenizer, "WordTokenizer": WordTokenizer,
}  # fmt: skip


def tokenizer_of(specification: dict[str, Any]) -> Tokenizer:
    """Returns a tokenizer's ONNX form, or raises a ValueError that says why it has none."""
    class_name = specification["class_name"]
    if class_name not in _CLASSES:
        raise ValueError(f"a {class_name} has no ONNX form; {', '.join(_CLASSES)} have one")
    return _CLASSES[class_name](specification)


def stop_of(tokenizer: Tokenizer, stop: Any) -> TextStop | TokenStop:
    """What ends texts of this tokenizer before their stop strings (batch,)."""
    return TextStop(tokenizer, stop) if isinstance(tokenizer, WordTokenizer) else TokenStop(tokenizer, stop)
