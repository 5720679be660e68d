from typing import Any

from kerasrnn._backend import keras
from kerasrnn.metrics.token_crossentropy import TokenCrossentropy


@keras.saving.register_keras_serializable(package="kerasrnn")
class Perplexity(TokenCrossentropy):
    """The perplexity of a language model: the exponential of the mean loss of a token.

    perplexity = exp(Σ weight · −ln p(target) / Σ weight)

    It is the number of equally likely tokens that would be as hard to guess. The sums run over all tokens since the
    last reset: it is no average of the batches' perplexities or losses.

    Args:
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        ignore_class: A token id whose targets do not count, such as the padding's.
        name: The metric's name.
        dtype: The result's dtype. The sums are kept in float32 at least.

    Call arguments:
        y_true: Target ids, of shape (batch, time).
        y_pred: Logits, of shape (batch, time, vocabulary). Where they carry a Keras mask, masked tokens do not count.
        sample_weight: Weights of shape (batch, time), or that broadcast to it, as (batch,) or (batch, 1).

    Returns:
        A scalar, 1 or more; NaN before any token counted.

    Example:

    >>> import numpy as np
    >>> metric = Perplexity(from_logits=False)
    >>> metric.update_state([[0, 1]], np.array([[[0.5, 0.5], [0.875, 0.125]]]))
    >>> round(float(metric.result()), 4)  # (0.5 · 0.125) ** (-1 / 2)
    4.0
    """

    def __init__(
        self, from_logits: bool = True, ignore_class: int | None = None, name: str = "perplexity", dtype: Any = None
    ) -> None:
        super().__init__(from_logits, ignore_class, name, dtype)

    def result(self) -> Any:
        return keras.ops.exp(super().result())
