"""Around `model.fit`: callbacks, each usable by itself, and `train`, a whole run in a folder."""

from kerasrnn.training.backup import Backup
from kerasrnn.training.best_model import BestModel
from kerasrnn.training.corpus_files import read_corpus
from kerasrnn.training.curves import Curves, draw_curves, read_history
from kerasrnn.training.epoch_callback import EpochCallback
from kerasrnn.training.epoch_seed import EpochSeed
from kerasrnn.training.epoch_windows import epoch_windows
from kerasrnn.training.evaluate_text import TextQuality, evaluate_text
from kerasrnn.training.progress_bar import ProgressBar
from kerasrnn.training.run import Result, train
from kerasrnn.training.run_folder import RunFolder
from kerasrnn.training.sample_text import SampleText
from kerasrnn.training.settings import Settings
from kerasrnn.training.stop_at_nan import StopAtNaN
from kerasrnn.training.stop_on_interrupt import StopOnInterrupt
from kerasrnn.training.time_limit import TimeLimit

__all__ = [
    "Backup",
    "BestModel",
    "Curves",
    "EpochCallback",
    "EpochSeed",
    "ProgressBar",
    "Result",
    "RunFolder",
    "SampleText",
    "Settings",
    "StopAtNaN",
    "StopOnInterrupt",
    "TextQuality",
    "TimeLimit",
    "draw_curves",
    "epoch_windows",
    "evaluate_text",
    "read_corpus",
    "read_history",
    "train",
]
