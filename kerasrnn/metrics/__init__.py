from kerasrnn.metrics.bits_per_byte import BitsPerByte
from kerasrnn.metrics.bits_per_character import BitsPerCharacter
from kerasrnn.metrics.perplexity import Perplexity

__all__ = ["BitsPerByte", "BitsPerCharacter", "Perplexity"]
