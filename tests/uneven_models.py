"""A language model whose tokens are of very different probabilities, without training."""

import keras
import numpy as np

import kerasrnn


def uneven_model(deviation):
    """Of characters; the biases of the logits have this deviation."""
    keras.utils.set_random_seed(1)
    tokenizer = kerasrnn.tokenizers.CharTokenizer()
    tokenizer.adapt("the cat sat on the mat.")
    model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(8), tokenizer)
    model.output_layer.bias.assign(np.random.default_rng(0).normal(0, deviation, model.vocabulary_size))
    return model
