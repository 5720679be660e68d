"""The feed-forward language model: the last few tokens in, logits of the next token out."""

from typing import Any

import kerasrnn.tokenizers  # noqa: F401  (a saved model names its tokenizer)
from kerasrnn._backend import keras, tf
from kerasrnn.metrics import Perplexity
from kerasrnn.models._distributed import Distributed
from kerasrnn.models.text_methods import TextMethods
from kerasrnn.models.vocabulary import padding_mask, vocabulary_size_of, within_vocabulary

ops = keras.ops


@keras.saving.register_keras_serializable(package="kerasrnn")
class FeedForwardLanguageModel(TextMethods, Distributed):
    """A neural n-gram model (Bengio et al., 2003): what recurrent networks have to beat.

        x_t = (C(token_t), C(token_(t−1)), …, C(token_(t−n+2)))               C: the embedding
        P(token_(t+1) | token_(t−n+2) … token_t) = softmax(b + W x_t + U tanh(d + H x_t))

    n is the order, as of `kerasrnn.ngram`'s models: each token depends on the order − 1 tokens before it. Before a text, or
    a window of one, there are zeros in the place of embeddings. All steps of a window are computed at once, so that
    it trains on the same windows as a `LanguageModel`. Its states are the last order − 2 embeddings: `generate`, `score`
    and `evaluate_text` carry them on.

    Args:
        order: n, at least 2.
        units: the width of the hidden layer.
        tokenizer: what turns text into token ids; needed for `generate` and `score`.
        vocabulary_size: the number of token ids, where no tokenizer is given.
        embedding: the embedding's width.
        direct: whether inputs are also connected to the logits directly, W, which trains faster; without it W is 0.
        dropout: share of the inputs, and of the hidden layer, dropped in training. (The paper decays weights instead.)
        **kwargs: as in `keras.Model`.

    Call arguments:
        token_ids: (batch, time) integers in [0, vocabulary_size).
        initial_state: states as returned with `return_state`; zeros by default.
        mask: (batch, time) booleans; a masked step is no part of any context.
        return_state: whether to return the last states too.
        training: whether dropout is applied.

    Returns:
        logits (batch, time, vocabulary_size), float32 under mixed precision too; with `return_state`
        (logits, [context]): (batch, (order − 2) · embedding), the oldest embedding first.

    Raises:
        ValueError: a number out of range, neither or both of tokenizer and vocabulary_size given; in eager calls, token
            ids outside the vocabulary.

    Example:

    >>> import keras, kerasrnn
    >>> model = kerasrnn.models.FeedForwardLanguageModel(order=3, units=8, vocabulary_size=5, embedding=4)
    >>> logits, [context] = model(keras.ops.array([[1, 2, 3]]), return_state=True)
    >>> logits.shape, context.shape
    (TensorShape([1, 3, 5]), TensorShape([1, 4]))
    >>> model.state_names
    ['state_0_context']

    Reference:
        Bengio, Y., Ducharme, R., Vincent, P. and Jauvin, C. (2003). A neural probabilistic language model. Journal of
        Machine Learning Research 3.
    """

    def __init__(
        self,
        order: int = 5,
        units: int = 100,
        tokenizer: Any = None,
        vocabulary_size: int | None = None,
        embedding: int = 60,
        direct: bool = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value, least in (("order", order, 2), ("units", units, 1), ("embedding", embedding, 1)):
            if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
                raise ValueError(f"{name}: expected an integer of at least {least}; received {value!r}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected a share in [0, 1); received {dropout!r}")
        self.order, self.units, self.embedding = int(order), int(units), int(embedding)
        self.tokenizer = tokenizer
        self.direct = direct
        self.dropout = dropout
        self.supports_masking = True
        self.vocabulary_size = vocabulary_size_of(tokenizer, vocabulary_size)
        policy = self.dtype_policy
        self.embedding_layer = keras.layers.Embedding(self.vocabulary_size, self.embedding, dtype=policy, name="embedding")
        self.dropout_layers = [keras.layers.Dropout(dropout, dtype=policy) for _ in range(2)]
        self.hidden_layer = keras.layers.Dense(self.units, "tanh", dtype=policy, name="hidden")
        self.output_layer = keras.layers.Dense(self.vocabulary_size, dtype=policy, name="logits")
        self.direct_layer = None
        if direct:
            self.direct_layer = keras.layers.Dense(self.vocabulary_size, use_bias=False, dtype=policy, name="direct")
        self.build((None, None))

    def build(self, input_shape: Any = None) -> None:
        if self.built:
            return
        width = (self.order - 1) * self.embedding
        self.embedding_layer.build((None, None))
        self.hidden_layer.build((None, None, width))
        self.output_layer.build((None, None, self.units))
        if self.direct_layer is not None:
            self.direct_layer.build((None, None, width))
        self.built = True

    def call(
        self, token_ids: Any, initial_state: Any = None, mask: Any = None, return_state: bool = False,
        training: bool = False,
    ) -> Any:  # fmt: skip
        token_ids = within_vocabulary(token_ids, self.vocabulary_size)
        batch, time, earlier = tf.shape(token_ids)[0], tf.shape(token_ids)[1], self.order - 2
        places = None
        if mask is not None:
            # Masked steps go to the front, where the context of the others does not see them but as zeros.
            mask = tf.cast(mask, tf.int32)
            order = tf.argsort(mask, axis=1, stable=True)
            places = tf.argsort(order, axis=1)
            token_ids = tf.gather(token_ids, order, batch_dims=1)
        x = self.embedding_layer(token_ids)
        context = (self.get_initial_state(batch) if initial_state is None else list(initial_state))[0]
        context = tf.reshape(tf.cast(context, x.dtype), (batch, earlier, self.embedding))
        if mask is not None:
            x, context = self._without_masked(x, context, tf.reduce_sum(1 - mask, axis=1))
        x = tf.concat([context, x], axis=1)
        last = tf.reshape(x[:, time:], (batch, earlier * self.embedding))
        x = tf.concat([x[:, earlier - k : earlier - k + time] for k in range(self.order - 1)], axis=-1)
        x = self.dropout_layers[0](x, training=training)
        logits = self.output_layer(self.dropout_layers[1](self.hidden_layer(x), training=training))
        if self.direct_layer is not None:
            logits += self.direct_layer(x)
        if places is not None:
            logits = tf.gather(logits, places, batch_dims=1)
        if self.compute_dtype in ("float16", "bfloat16"):
            logits = ops.cast(logits, "float32")
        return (logits, [last]) if return_state else logits

    def _without_masked(self, x: Any, context: Any, masked: Any) -> tuple[Any, Any]:
        """The context moved, row by row, over the masked steps in front: to directly before the first true one."""
        both = tf.concat([context, x], axis=1)
        steps, earlier = tf.range(tf.shape(both)[1])[None], self.order - 2
        sources = tf.where(steps < earlier + masked[:, None], steps - masked[:, None], steps)
        both = tf.where((sources >= 0)[..., None], tf.gather(both, tf.maximum(sources, 0), batch_dims=1), 0)
        return both[:, earlier:], both[:, :earlier]

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Of the logits: False at the tokenizer's padding too."""
        return padding_mask(self.tokenizer, inputs, previous_mask)

    @property
    def state_names(self) -> list[str]:
        """Names of the states in the order of `initial_state`."""
        return ["state_0_context"]

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """Zero states for `batch_size` rows."""
        return [tf.zeros((batch_size, (self.order - 2) * self.embedding), self.compute_dtype)]

    def compile(self, optimizer: Any = "adam", loss: Any = "auto", weighted_metrics: Any = "auto", **kwargs: Any) -> None:
        """As `keras.Model.compile`; "auto" is the cross-entropy of the next token, and its `Perplexity`.

        Targets that are the tokenizer's padding do not count in either.
        """
        padding = getattr(self.tokenizer, "padding_token_id", None)
        if loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=padding)
        if weighted_metrics == "auto":
            weighted_metrics = [Perplexity(ignore_class=padding)]
        super().compile(optimizer=optimizer, loss=loss, weighted_metrics=weighted_metrics, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "order": self.order,
            "units": self.units,
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "vocabulary_size": None if self.tokenizer is not None else self.vocabulary_size,
            "embedding": self.embedding,
            "direct": self.direct,
            "dropout": self.dropout,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "FeedForwardLanguageModel":
        tokenizer = keras.saving.deserialize_keras_object(config["tokenizer"], custom_objects=custom_objects)
        return cls(**{**config, "tokenizer": tokenizer})
