from kerasrnn.metrics.bits_per_character import BitsPerCharacter
from kerasrnn.metrics.perplexity import Perplexity

__all__ = ["BitsPerCharacter", "Perplexity"]
