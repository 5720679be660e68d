import os
from typing import Any

import kerasrnn.tokenizers  # noqa: F401  (a saved model names its tokenizer)
from kerasrnn._backend import keras
from kerasrnn.ngram import _files
from kerasrnn.ngram.kneser_ney import KneserNeyModel
from kerasrnn.ngram.laplace import LaplaceModel
from kerasrnn.ngram.markov import MarkovModel
from kerasrnn.ngram.model import NgramModel

_CLASSES: dict[str, Any] = {"KneserNeyModel": KneserNeyModel, "LaplaceModel": LaplaceModel, "MarkovModel": MarkovModel}


def load_ngram_model(path: str | os.PathLike[str]) -> NgramModel:
    """Reads a count-based model that its `save` wrote, with its tokenizer.

    Args:
        path: The file.

    Returns:
        A model of the class that was saved, which gives every text the same probability.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds something else, is damaged, or is of a newer version.

    Example:

    >>> MarkovModel(order=2, vocabulary_size=3).fit([1, 2, 1, 2, 1]).save("bigrams.npz")
    >>> load_ngram_model("bigrams.npz").probabilities([1]).round(4).tolist()
    [0.2, 0.2, 0.6]
    """
    header, arrays = _files.read(path)
    if header["class_name"] not in _CLASSES:
        raise ValueError(
            f"path {os.fspath(path)!r} must hold one of {', '.join(_CLASSES)}, but holds {header['class_name']!r}. "
            "If a newer kerasrnn wrote it, upgrade: pip install --upgrade kerasrnn"
        )
    tokenizer = keras.saving.deserialize_keras_object(header["tokenizer"])
    model = _CLASSES[header["class_name"]](**header["config"], tokenizer=tokenizer)
    model._use(_files.counts_of(arrays, model.order, model.vocabulary_size))
    return model
