"""Models: token ids in, predictions out; trained with plain `model.fit`."""

from kerasrnn.models.carried_states import CarriedStates
from kerasrnn.models.choosing import Ranking, rescore
from kerasrnn.models.feed_forward import FeedForwardLanguageModel
from kerasrnn.models.generation import Generation
from kerasrnn.models.language_model import LanguageModel
from kerasrnn.models.presets import PRESETS, Preset, preset
from kerasrnn.models.recipe import Recipe
from kerasrnn.models.sampled_softmax import SampledSoftmaxTraining, log_uniform_candidates, sampled_softmax_losses

__all__ = [
    "PRESETS",
    "CarriedStates",
    "FeedForwardLanguageModel",
    "Generation",
    "LanguageModel",
    "Preset",
    "Ranking",
    "Recipe",
    "SampledSoftmaxTraining",
    "log_uniform_candidates",
    "preset",
    "rescore",
    "sampled_softmax_losses",
]
