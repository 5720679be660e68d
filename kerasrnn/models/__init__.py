"""Models: token ids in, predictions out; trained with plain `model.fit`."""

from kerasrnn.models.carried_states import CarriedStates
from kerasrnn.models.feed_forward import FeedForwardLanguageModel
from kerasrnn.models.language_model import LanguageModel
from kerasrnn.models.sampled_softmax import SampledSoftmaxTraining, log_uniform_candidates, sampled_softmax_losses

__all__ = [
    "CarriedStates",
    "FeedForwardLanguageModel",
    "LanguageModel",
    "SampledSoftmaxTraining",
    "log_uniform_candidates",
    "sampled_softmax_losses",
]
