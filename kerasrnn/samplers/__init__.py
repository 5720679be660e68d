"""From logits to the next token, the same in every runtime."""

from kerasrnn.samplers.next_token import next_token
from kerasrnn.samplers.random_generator import uniform

__all__ = ["next_token", "uniform"]
