"""Training over a large vocabulary with a sample of it; evaluation with all of it."""

from collections.abc import Callable
from typing import Any

from kerasrnn._backend import keras, tf
from kerasrnn.models._distributed import Distributed


def log_uniform_candidates(num_sampled: int, vocabulary_size: int, seed: Any) -> tuple[Any, Any]:
    """Different token ids, drawn as words occur where ids go by falling frequency.

        P(i) = ln((i + 2) / (i + 1)) / ln(vocabulary_size + 1)

    The ids are those of the num_sampled largest ln P(i) + Gumbel noise: draws without replacement, in one pass that XLA
    can compile. Given κ, the largest of the others, id i is among them with probability q_i = 1 − exp(−exp(ln P(i) − κ)),
    and a sum over all ids equals, on average, that over the sample with weights 1 / q_i (Cohen and Kaplan, 2007).

    Args:
        num_sampled: how many ids to draw, from 1 to vocabulary_size.
        vocabulary_size: the number of token ids.
        seed: two integers: the same ones draw the same ids.

    Returns:
        (token_ids, log_q): int32 and float32, both (num_sampled,). If all ids are drawn log_q is zero.

    Example:

    >>> ids, log_q = log_uniform_candidates(3, vocabulary_size=3, seed=(1, 2))
    >>> sorted(ids.numpy().tolist()), log_q.numpy().tolist()
    ([0, 1, 2], [0.0, 0.0, 0.0])

    Reference:
        Cohen, E. and Kaplan, H. (2007). Summarizing data using bottom-k sketches. PODC.
    """
    if num_sampled >= vocabulary_size:
        return tf.range(vocabulary_size), tf.zeros((vocabulary_size,))
    ids = tf.range(vocabulary_size, dtype=tf.float32)
    log_p = tf.math.log(tf.math.log1p(1 / (ids + 1))) - tf.math.log(tf.math.log(vocabulary_size + 1.0))
    uniform = tf.random.stateless_uniform((vocabulary_size,), tf.cast(seed, tf.int32), minval=1e-30)
    largest, drawn = tf.math.top_k(log_p - tf.math.log(-tf.math.log(uniform)), num_sampled + 1)
    drawn, threshold = drawn[:-1], largest[-1]
    return drawn, tf.math.log(-tf.math.expm1(-tf.exp(tf.gather(log_p, drawn) - threshold)))


def sampled_softmax_losses(
    hidden: Any, targets: Any, kernel: Any, bias: Any, num_sampled: int, seed: Any, vocabulary_axis: int = 0
) -> Any:
    """The cross-entropy of next tokens with a sampled normaliser (Bengio and Senécal, 2003; Jean et al., 2015).

        loss = −s_y + ln(exp(s_y) + Σ_(i ∈ sample, i ≠ y) exp(s_i − ln q_i))        s_i = hidden · kernel_i + bias_i

    One sample serves all tokens of the batch. The target is always there, and left out of the sample where it was drawn;
    ln q corrects for how likely the others were to be drawn, so that the sum is the full softmax's on average. With
    num_sampled = vocabulary the loss and its gradients are the full softmax's.

    Args:
        hidden: what the logits are made of, (…, units).
        targets: token ids, (…), integers by falling frequency, as tokenizers of words number them.
        kernel: the output layer's weights, (vocabulary, units).
        bias: (vocabulary,), or None.
        num_sampled: how many ids to draw.
        seed: two integers.
        vocabulary_axis: 1 for a kernel of shape (units, vocabulary), as a Dense layer has it: slower.

    Returns:
        (…) float32, nats.

    Example:

    >>> import numpy as np
    >>> kernel, bias = np.eye(4, dtype="float32"), np.zeros(4, "float32")
    >>> sampled_softmax_losses(np.zeros((1, 2, 4), "float32"), [[0, 3]], kernel, bias, num_sampled=4, seed=(1, 2)).numpy()
    array([[1.3862944, 1.3862944]], dtype=float32)

    References:
        Bengio, Y. and Senécal, J.-S. (2003). Quick training of probabilistic neural nets by importance sampling. AISTATS.
        Jean, S. et al. (2015). On using very large target vocabulary for neural machine translation. arXiv:1412.2007.
    """
    hidden, targets = tf.convert_to_tensor(hidden), tf.cast(targets, tf.int32)
    rows, y = tf.reshape(hidden, (-1, hidden.shape[-1])), tf.reshape(targets, (-1,))
    kernel, bias = tf.convert_to_tensor(kernel), None if bias is None else tf.convert_to_tensor(bias)
    ids, log_q = log_uniform_candidates(num_sampled, kernel.shape[vocabulary_axis], seed)
    both, count = tf.concat([ids, y], 0), ids.shape[0]
    if vocabulary_axis == 0:
        weights = tf.cast(_gather(kernel, both), rows.dtype)
        sampled, true = tf.matmul(rows, weights[:count], transpose_b=True), tf.reduce_sum(rows * weights[count:], -1)
    else:
        weights = tf.cast(tf.gather(kernel, both, axis=1), rows.dtype)
        sampled, true = tf.matmul(rows, weights[:, :count]), tf.einsum("nu,un->n", rows, weights[:, count:])
    sampled, true = tf.cast(sampled, tf.float32) - log_q, tf.cast(true, tf.float32)
    if bias is not None:
        biases = tf.cast(_gather(bias, both), tf.float32)
        sampled, true = sampled + biases[:count], true + biases[count:]
    sampled = tf.where(ids[None] == y[:, None], tf.constant(float("-inf")), sampled)
    losses = tf.reduce_logsumexp(tf.concat([true[:, None], sampled], 1), 1) - true
    return tf.reshape(losses, tf.shape(targets))


class SampledSoftmaxTraining(Distributed):
    """A model whose `fit` trains with `sampled_softmax_losses` and validates with what it was compiled for.

    A subclass sets `sampled_softmax` with `_sample_softmax`, before it is built; returns in `call`, where `_sampling` is
    true, what the logits would be made of, (batch, time, units); and says in `output_weights` of which weights. What
    `add_loss` collected is added as ever. Metrics need all logits, so that in training there are none but the loss.
    """

    sampled_softmax: int | None = None
    _sampling = False  # while a training step runs or is traced

    def _sample_softmax(self, num_sampled: int | None, vocabulary_size: int, seed: Any = None) -> None:
        if num_sampled is None:
            return
        if isinstance(num_sampled, bool) or not hasattr(num_sampled, "__index__") or not 1 <= num_sampled <= vocabulary_size:
            raise ValueError(
                f"sampled_softmax: expected None, or how many of the vocabulary's {vocabulary_size} tokens to draw; "
                f"received {num_sampled!r}"
            )
        self.sampled_softmax = int(num_sampled)
        self._sampling_seed = keras.random.SeedGenerator(seed)

    def output_weights(self) -> tuple[Any, Any, int]:
        """The logits' kernel, bias or None, and the axis of the kernel that is the vocabulary's."""
        raise NotImplementedError

    def train_step(self, data: Any) -> Any:
        if self.sampled_softmax is None:
            return super().train_step(data)
        with self._during_steps("sampling", self._begin_sampling):
            return super().train_step(data)

    def _begin_sampling(self) -> Callable[[], None]:
        self.__dict__["_sampling"] = True
        return lambda: self.__dict__.pop("_sampling")

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        if not self._sampling:
            return super().compute_loss(x, y, y_pred, sample_weight, training=training)
        kernel, bias, axis = self.output_weights()
        losses = sampled_softmax_losses(
            y_pred, y, kernel, bias, self.sampled_softmax, self._sampling_seed.next(), vocabulary_axis=axis
        )
        mask = getattr(y_pred, "_keras_mask", None)
        padding = getattr(getattr(self, "tokenizer", None), "padding_token_id", None)
        if padding is not None:
            is_token = tf.cast(y, tf.int32) != padding
            mask = is_token if mask is None else is_token & mask
        if mask is not None:
            losses._keras_mask = mask
        loss = _AsGiven(name="sampled_softmax")(y, losses, sample_weight)
        replicas = self.distribute_strategy.num_replicas_in_sync  # each has the whole penalty, and their losses are summed
        return loss + sum(tf.cast(tf.reduce_sum(extra), loss.dtype) for extra in self.losses) / replicas

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        if self._sampling:
            return {metric.name: metric.result() for metric in self.metrics if metric.name == "loss"}
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def get_metrics_result(self) -> dict[str, Any]:
        # Until the first validation nothing has built the others, and Keras asks them after each epoch.
        built = [metric for metric in self.metrics if getattr(metric, "built", True)]
        if self.sampled_softmax is None or len(built) == len(self.metrics):
            return super().get_metrics_result()
        return {metric.name: metric.result() for metric in built}


class _AsGiven(keras.losses.Loss):
    """Keras's weights, masks and mean over losses that are computed already."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return y_pred


@tf.custom_gradient
def _gather(rows: Any, ids: Any) -> Any:
    """`tf.gather` with a dense gradient: Keras's optimizers take the repeated rows of a sparse one for different rows, in
    Adam's squares and in the global norm."""
    return tf.gather(rows, ids), lambda d: (tf.math.unsorted_segment_sum(d, ids, tf.shape(rows)[0]), None)
