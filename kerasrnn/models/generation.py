"""What a model wrote, with its figures."""

from typing import Any, NamedTuple

import numpy as np


class Generation(NamedTuple):
    """A text that a model wrote, and how likely it was.

    Attributes:
        text: the continuation, without the prompt and the stop string.
        token_ids: (length,) int32, the tokens within the text.
        log_probabilities: (length,) float32, natural logarithms of these tokens' probabilities under the model as it is:
            without temperature, filters and penalties.
        score: of a drawn text the sum of its log-probabilities; of one that beam search found, what it was ranked by,
            which counts the stop string's tokens too.

    Example:

    >>> import keras, kerasrnn
    >>> tokenizer = kerasrnn.tokenizers.CharTokenizer()
    >>> tokenizer.adapt("abc")
    >>> model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(4), tokenizer)
    >>> written = model.generate("a", 3, seed=1, return_log_probabilities=True)
    >>> len(written.text), written.token_ids.shape, written.log_probabilities.shape
    (3, (3,), (3,))
    """

    text: str
    token_ids: np.ndarray
    log_probabilities: np.ndarray
    score: float


def generations(written: dict[str, Any]) -> list[Generation]:
    """One a row, from tensors: `text`, `num_tokens`, `token_ids`, `log_probabilities` and, if there is one, `score`."""
    values = {name: value.numpy() for name, value in written.items()}
    found = []
    for row, (text, count) in enumerate(zip(values["text"], values["num_tokens"])):
        token_ids, log_probabilities = (values[name][row, :count] for name in ("token_ids", "log_probabilities"))
        score = values["score"][row] if "score" in values else log_probabilities.sum(dtype=np.float64)
        found.append(Generation(text.decode("utf-8", "replace"), token_ids, log_probabilities, float(score)))
    return found
