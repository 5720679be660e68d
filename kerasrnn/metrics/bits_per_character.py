import math
from typing import Any

from kerasrnn._backend import keras
from kerasrnn.metrics.token_crossentropy import TokenCrossentropy


@keras.saving.register_keras_serializable(package="kerasrnn")
class BitsPerCharacter(TokenCrossentropy):
    """The bits that a language model needs to encode a character.

    bits per character = Σ weight · −log₂ p(target) / Σ weight / characters per token

    The sums run over all tokens since the last reset: it is no average of the batches' averages.

    Args:
        characters_per_token: The text's mean number of characters in a token, which makes models with different
            tokenizers comparable where the tokens keep the whole text. Of tokens that lose the spaces, say, the figure
            means nothing.
        from_logits: Whether `y_pred` holds logits rather than probabilities.
        ignore_class: A token id whose targets do not count, such as the padding's.
        name: The metric's name.
        dtype: The result's dtype. The sums are kept in float32 at least.

    Call arguments:
        y_true: Target ids, of shape (batch, time).
        y_pred: Logits, of shape (batch, time, vocabulary). Where they carry a Keras mask, masked tokens do not count.
        sample_weight: Weights of shape (batch, time), or that broadcast to it, as (batch,) or (batch, 1).

    Returns:
        A scalar, 0 or more; NaN before any token counted.

    Raises:
        ValueError: If `characters_per_token` is not positive.

    Example:

    >>> import numpy as np
    >>> metric = BitsPerCharacter(from_logits=False)
    >>> metric.update_state([[0, 1]], np.array([[[0.5, 0.5], [0.875, 0.125]]]))
    >>> round(float(metric.result()), 4)  # (1 + 3) / 2
    2.0
    """

    def __init__(
        self,
        characters_per_token: float = 1.0,
        from_logits: bool = True,
        ignore_class: int | None = None,
        name: str = "bits_per_character",
        dtype: Any = None,
    ) -> None:
        if not characters_per_token > 0:
            raise ValueError(
                f"characters_per_token must be positive, but is {characters_per_token!r}. "
                "Compute it from the text: len(text) / len(tokenizer.tokenize(text))."
            )
        super().__init__(from_logits, ignore_class, name, dtype)
        self.characters_per_token = characters_per_token

    def result(self) -> Any:
        return super().result() / (math.log(2) * self.characters_per_token)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "characters_per_token": self.characters_per_token}
