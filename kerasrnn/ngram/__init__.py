from kerasrnn.ngram.markov import MarkovModel

__all__ = ["MarkovModel"]
