from kerasrnn.tokenizers.byte import ByteTokenizer
from kerasrnn.tokenizers.character import CharTokenizer
from kerasrnn.tokenizers.subword import SubwordTokenizer
from kerasrnn.tokenizers.tokenizer import Tokenizer, tokenizer_from_specification
from kerasrnn.tokenizers.word import WordTokenizer

__all__ = [
    "ByteTokenizer", "CharTokenizer", "SubwordTokenizer", "Tokenizer", "WordTokenizer", "tokenizer_from_specification",
]  # fmt: skip
