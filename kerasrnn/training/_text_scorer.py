"""What the evaluations that adapt to a text have in common: they read it token by token, alone in the batch."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf


class TextScorer:
    """Stands for a `LanguageModel` where `evaluate_text` expects something with a `score`.

    Args:
        model: A `LanguageModel` with a tokenizer.
        num_steps: How many tokens `begin`'s function is given at once, but for the last ones.
    """

    def __init__(self, model: Any, num_steps: int) -> None:
        call = getattr(model, "call", None)
        if call is None or not {"initial_state", "return_state"} <= inspect.signature(call).parameters.keys():
            raise TypeError(
                "model must be a kerasrnn.models.LanguageModel, whose states can be carried, but is a "
                f"{type(model).__name__}."
            )
        if getattr(model, "tokenizer", None) is None:
            raise ValueError("model must have a tokenizer to read text with. Give LanguageModel(tokenizer=…).")
        self.model = model
        self.tokenizer = model.tokenizer
        self.num_steps = num_steps

    def begin(self) -> Callable[[Any, Any], Any]:
        """A function from (token_ids, targets), int32 of shape (1, steps), to the targets' log-likelihoods (steps,), for
        the windows of one text in turn."""
        raise NotImplementedError

    def log_likelihoods(self, text: str, verbose: bool = False) -> np.ndarray:
        """Natural logarithms of the probabilities of a text's tokens and of its end token, (tokens,) float64."""
        targets = np.asarray(self.tokenizer.tokenize(text), "int32")
        if self.tokenizer.end_token_id is not None:
            targets = np.append(targets, np.int32(self.tokenizer.end_token_id))
        token_ids = np.concatenate([[self.tokenizer.start_token_id], targets[:-1]]).astype("int32")
        window, values = self.begin(), []
        bar = keras.utils.Progbar(-(-len(targets) // self.num_steps), unit_name="window", verbose=int(verbose))
        for start in range(0, len(targets), self.num_steps):
            part = slice(start, start + self.num_steps)
            likelihoods = window(tf.constant(token_ids[None, part]), tf.constant(targets[None, part]))
            values.append(np.asarray(likelihoods, "float64"))
            bar.add(1)
        return np.concatenate([np.zeros(0), *values])

    def token_log_probabilities(self, texts: Sequence[str], verbose: bool = False) -> list[np.ndarray]:
        return [self.log_likelihoods(text, verbose) for text in texts]

    def score(self, texts: Sequence[str], verbose: bool = False) -> tuple[list[float], list[int]]:
        values = self.token_log_probabilities(texts, verbose)
        return [float(v.sum()) for v in values], [len(v) for v in values]


def state_specs(model: Any) -> list[tf.TensorSpec]:
    return [tf.TensorSpec(state.shape, state.dtype) for state in model.get_initial_state(1)]


def steps_spec() -> tf.TensorSpec:
    return tf.TensorSpec((1, None), tf.int32)


def check_number(name: str, value: Any, low: float, high: float, expected: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{name} must be {expected}, but is {value!r}.")


def check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, but is {value!r}.")
