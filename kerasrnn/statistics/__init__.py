from kerasrnn.statistics.entropy import EntropyBounds
from kerasrnn.statistics.frequencies import Frequencies
from kerasrnn.statistics.plot import draw_frequencies
from kerasrnn.statistics.text_statistics import TextStatistics

__all__ = ["EntropyBounds", "Frequencies", "TextStatistics", "draw_frequencies"]
