"""From logits to the next token, the same in every runtime; and the search for the most likely text."""

from kerasrnn.samplers.beam_search import BeamSearch, length_norm
from kerasrnn.samplers.by_name import get
from kerasrnn.samplers.next_token import next_token
from kerasrnn.samplers.random_generator import normal, uniform
from kerasrnn.samplers.sampler import Greedy, MinP, Random, Sampler, TopK, TopP

__all__ = [
    "BeamSearch",
    "Greedy",
    "MinP",
    "Random",
    "Sampler",
    "TopK",
    "TopP",
    "get",
    "length_norm",
    "next_token",
    "normal",
    "uniform",
]
