"""Text to token ids and back without TensorFlow, from a tokenizer's JSON specification."""

from typing import Any

from kerasrnn.export.runtime.byte_tokenizer import ByteTokenizer
from kerasrnn.export.runtime.char_tokenizer import CharTokenizer
from kerasrnn.export.runtime.subword import SubwordTokenizer
from kerasrnn.export.runtime.tokenizer_base import Tokenizer
from kerasrnn.export.runtime.word_tokenizer import WordTokenizer

_CLASSES: dict[str, type[Tokenizer]] = {
    "ByteTokenizer": ByteTokenizer,
    "CharTokenizer": CharTokenizer,
    "SubwordTokenizer": SubwordTokenizer,
    "WordTokenizer": WordTokenizer,
}


def tokenizer_from_specification(specification: dict[str, Any]) -> Tokenizer:
    r"""Creates the tokenizer that a specification describes.

    Args:
        specification: A dict of plain JSON types; its `class_name` tells which tokenizer it is.

    Raises:
        ValueError: If no tokenizer of this runtime has that name, or the specification is newer than this runtime.

    Example:

    >>> tokenizer_from_specification({
    ...     "class_name": "CharTokenizer", "version": 1,
    ...     "vocabulary": ["\ufffd", "\n", "a", "b"], "unknown_token": "\ufffd", "start_token": "\n",
    ... }).start_token_id
    1
    """
    class_name = specification.get("class_name")
    if class_name not in _CLASSES:
        raise ValueError(
            f"class_name must be one of {', '.join(map(repr, _CLASSES))}, but is {class_name!r}. "
            "If a newer kerasrnn wrote the specification, upgrade: pip install --upgrade kerasrnn"
        )
    return _CLASSES[class_name](specification)
