"""Models: token ids in, predictions out; trained with plain `model.fit`."""

from kerasrnn.models.carried_states import CarriedStates
from kerasrnn.models.choosing import Ranking, rescore
from kerasrnn.models.step_decoding import Decoded, decode
from kerasrnn.models.feed_forward import FeedForwardLanguageModel
from kerasrnn.models.forecast_arima import arima
from kerasrnn.models.forecast_baselines import (
    LinearForecast,
    forecast_errors,
    last_value,
    linear_autoregression,
    seasonal_naive,
)
from kerasrnn.models.forecast_losses import (
    GaussianNLL,
    PinballLoss,
    coverage,
    crps_gaussian,
    crps_quantiles,
    gaussian_nll,
    pinball_loss,
)
from kerasrnn.models.forecaster import Forecaster
from kerasrnn.models.generation import Generation
from kerasrnn.models.language_model import LanguageModel
from kerasrnn.models.presets import PRESETS, Preset, preset
from kerasrnn.models.recipe import Recipe
from kerasrnn.models.sampled_softmax import SampledSoftmaxTraining, log_uniform_candidates, sampled_softmax_losses

__all__ = [
    "PRESETS",
    "CarriedStates",
    "Decoded",
    "FeedForwardLanguageModel",
    "Forecaster",
    "GaussianNLL",
    "Generation",
    "LanguageModel",
    "LinearForecast",
    "PinballLoss",
    "Preset",
    "Ranking",
    "Recipe",
    "SampledSoftmaxTraining",
    "arima",
    "coverage",
    "crps_gaussian",
    "crps_quantiles",
    "decode",
    "forecast_errors",
    "gaussian_nll",
    "last_value",
    "linear_autoregression",
    "log_uniform_candidates",
    "pinball_loss",
    "preset",
    "rescore",
    "sampled_softmax_losses",
    "seasonal_naive",
]
