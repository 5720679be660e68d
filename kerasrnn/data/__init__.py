from kerasrnn.data.corpus import Corpus
from kerasrnn.data.named import load_corpus
from kerasrnn.data.windows import language_model_dataset

__all__ = ["Corpus", "language_model_dataset", "load_corpus"]
