from kerasrnn.ngram.arpa import ArpaModel
from kerasrnn.ngram.kneser_ney import KneserNeyModel
from kerasrnn.ngram.laplace import LaplaceModel
from kerasrnn.ngram.load import load_ngram_model
from kerasrnn.ngram.markov import MarkovModel
from kerasrnn.ngram.model import NgramModel

__all__ = ["ArpaModel", "KneserNeyModel", "LaplaceModel", "MarkovModel", "NgramModel", "load_ngram_model"]
