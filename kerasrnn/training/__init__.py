"""Around `model.fit`: callbacks, each usable by itself, and `train`, a whole run in a folder."""

from kerasrnn._text_quality import TextQuality, evaluate_text
from kerasrnn.training.averaged_weights import MovingAverage
from kerasrnn.training.backup import Backup
from kerasrnn.training.best_model import BestModel
from kerasrnn.training.clipped_steps import ClippedSteps
from kerasrnn.training.continuous_cache import ContinuousCache
from kerasrnn.training.corpus_files import read_corpus
from kerasrnn.training.curves import Curves, draw_curves, read_history
from kerasrnn.training.dynamic_evaluation import DynamicEvaluation
from kerasrnn.training.epoch_callback import EpochCallback
from kerasrnn.training.epoch_seconds import EpochSeconds
from kerasrnn.training.epoch_seed import EpochSeed
from kerasrnn.training.epoch_windows import epoch_windows
from kerasrnn.training.learning_rate_finder import LearningRates, find_learning_rate
from kerasrnn.training.norms import Norms
from kerasrnn.training.nt_asgd import NonMonotonicASGD
from kerasrnn.training.out_of_memory import advice_on_memory
from kerasrnn.training.progress_bar import ProgressBar
from kerasrnn.training.run import Result, train
from kerasrnn.training.run_folder import RunFolder
from kerasrnn.training.sample_text import SampleText
from kerasrnn.training.settings import Settings
from kerasrnn.training.stop_at_nan import StopAtNaN
from kerasrnn.training.stop_on_interrupt import StopOnInterrupt
from kerasrnn.training.time_limit import TimeLimit
from kerasrnn.training.variable_length_rate import VariableLengthRate

__all__ = [
    "Backup",
    "BestModel",
    "ClippedSteps",
    "ContinuousCache",
    "Curves",
    "DynamicEvaluation",
    "EpochCallback",
    "EpochSeconds",
    "EpochSeed",
    "LearningRates",
    "MovingAverage",
    "NonMonotonicASGD",
    "Norms",
    "ProgressBar",
    "Result",
    "RunFolder",
    "SampleText",
    "Settings",
    "StopAtNaN",
    "StopOnInterrupt",
    "TextQuality",
    "TimeLimit",
    "VariableLengthRate",
    "advice_on_memory",
    "draw_curves",
    "epoch_windows",
    "evaluate_text",
    "find_learning_rate",
    "read_corpus",
    "read_history",
    "train",
]
