import base64
import binascii
from typing import Any

import numpy as np

from kerasrnn.export.runtime.tokenizer_base import Tokenizer


class SubwordTokenizer(Tokenizer):
    """Computes what `kerasrnn.tokenizers.SubwordTokenizer` computes, by the package sentencepiece, which it needs.

    Args:
        specification: What `specification()` of the class of the same name in `kerasrnn.tokenizers` returned.

    Raises:
        ValueError: If the specification is newer than this class, or damaged.
        ImportError: If sentencepiece is missing.

    Example:

    >>> import kerasrnn
    >>> trained = kerasrnn.tokenizers.SubwordTokenizer(vocabulary_size=300, model_type="bpe")
    >>> trained.adapt(["the whale and the other whale", "the sea"])
    >>> tokenizer = SubwordTokenizer(trained.specification())
    >>> tokenizer.tokenize("the whale")
    array([260, 265], dtype=int32)
    >>> tokenizer.detokenize([260, 265])
    'the whale'
    """

    def __init__(self, specification: dict[str, Any]) -> None:
        super().__init__(specification)
        try:
            import sentencepiece
        except ImportError as error:
            raise ImportError("This model's tokenizer needs sentencepiece. Install it: pip install sentencepiece") from error
        if not isinstance(specification.get("model"), str):
            raise ValueError("specification lacks model, a SentencePiece model in base64. Export the model again.")
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.load_from_serialized_proto(base64.b64decode(specification["model"], validate=True))
        except (binascii.Error, RuntimeError) as error:
            raise ValueError(
                f"specification's model must be a SentencePiece model in base64, but is none: {error}. "
                "Export the model again."
            ) from error
        pieces = [self._processor.id_to_piece(id) for id in range(self._processor.get_piece_size())]
        if pieces != self._vocabulary or self._processor.unk_id() != self.unknown_token_id:
            raise ValueError("specification's vocabulary must be that of its model, but is another. Export the model again.")

    def _is_unknown_token(self, token: Any, vocabulary: list[str]) -> bool:
        return token in vocabulary

    def _tokenize(self, text: bytes) -> np.ndarray:
        return np.asarray(self._processor.encode(text.decode("utf-8", "replace")), "int32")

    def _detokenize(self, token_ids: np.ndarray) -> str:
        return self._processor.decode(token_ids.tolist())
