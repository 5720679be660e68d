from typing import Any

from kerasrnn._backend import keras

ops = keras.ops


class TokenCrossentropy(keras.metrics.Metric):
    """Base of the metrics of language models: the total loss of all tokens over their total weight.

    It is never an average of averages: a short last batch, a row of mostly padding or a small weight counts for as
    much as it holds. Its result is the mean cross-entropy in nats; subclasses express it in other units.

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
        A scalar; NaN before any token counted.
    """

    # Where Keras's callbacks look whether less is better: EarlyStopping("val_perplexity") then needs no mode.
    _direction = "down"

    def __init__(
        self, from_logits: bool = True, ignore_class: int | None = None, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self._sum_dtype = keras.backend.result_type(self.dtype, "float32")
        self.total = self.add_variable((), "zeros", dtype=self._sum_dtype, name="total")
        self.count = self.add_variable((), "zeros", dtype=self._sum_dtype, name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        mask = getattr(y_pred, "_keras_mask", None)
        # The casts are those of keras.losses.Loss, ids to floats among them: operations that equal the loss's own
        # TensorFlow computes once, and the loss over a large vocabulary is dear.
        y_true = ops.convert_to_tensor(y_true, dtype=self._sum_dtype)
        y_pred = ops.convert_to_tensor(y_pred, dtype=self._sum_dtype)
        losses = keras.losses.sparse_categorical_crossentropy(
            y_true, y_pred, from_logits=self.from_logits, ignore_class=self.ignore_class
        )
        weights = ops.ones_like(losses)
        if sample_weight is not None:
            weights *= self._aligned(sample_weight, losses)
        if mask is not None:
            weights *= self._aligned(mask, losses)
        if self.ignore_class is not None:
            weights *= ops.cast(ops.reshape(y_true, ops.shape(losses)) != self.ignore_class, self._sum_dtype)
        self.total.assign_add(ops.sum(losses * weights))
        self.count.assign_add(ops.sum(weights))

    def result(self) -> Any:
        return ops.cast(self.total / self.count, self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "from_logits": self.from_logits, "ignore_class": self.ignore_class}

    def _aligned(self, weights: Any, losses: Any) -> Any:
        weights = ops.convert_to_tensor(weights, dtype=self._sum_dtype)
        if len(weights.shape) > len(losses.shape):
            raise ValueError(
                f"sample_weight must have the shape of y_true, {tuple(losses.shape)}, or broadcast to it, "
                f"but has the shape {tuple(weights.shape)}. Pass one weight a token, or one a row."
            )
        return ops.reshape(weights, (*ops.shape(weights), *[1] * (len(losses.shape) - len(weights.shape))))
