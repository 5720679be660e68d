from kerasrnn.tokenizers.character import CharTokenizer

__all__ = ["CharTokenizer"]
