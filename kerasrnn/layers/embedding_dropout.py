"""Dropout of whole words."""

from typing import Any

from kerasrnn._backend import keras, tf
from kerasrnn.layers.locked_dropout import checked_rate, seed_config


@keras.saving.register_keras_serializable(package="kerasrnn")
class EmbeddingDropout(keras.layers.Layer):
    """Drops the embeddings of whole words, everywhere in a batch at once (Gal and Ghahramani, 2016; Merity, 2018).

        y_(b,t) = m_w · x_(b,t) / (1 − rate)      w = token_id_(b,t),  m_w ~ Bernoulli(1 − rate), one draw a word

    It equals dropout on the rows of the embedding matrix, but that it touches only the rows looked up: one random number
    a word of the vocabulary, whatever the embedding's width.

    Args:
        rate: the share of the words dropped, in [0, 1).
        vocabulary_size: the number of token ids.
        seed: an integer, a `keras.random.SeedGenerator`, or None for a new seed.
        **kwargs: as in `keras.layers.Layer`.

    Call arguments:
        embedded: the embeddings of the tokens, (batch, time, features).
        token_ids: (batch, time) integers in [0, vocabulary_size).
        training: whether to drop anything; nothing is dropped at inference.

    Returns:
        (batch, time, features), the dtype of the embeddings.

    Raises:
        ValueError: the rate or the vocabulary's size is outside its range.

    Example:

    >>> import keras, kerasrnn
    >>> layer = kerasrnn.layers.EmbeddingDropout(0.5, vocabulary_size=3, seed=1)
    >>> layer(keras.ops.ones((1, 6, 1)), keras.ops.array([[0, 1, 2, 0, 1, 2]]), training=True).numpy().ravel().tolist()
    [2.0, 0.0, 2.0, 2.0, 0.0, 2.0]

    References:
        Gal, Y. and Ghahramani, Z. (2016). A theoretically grounded application of dropout in recurrent neural networks.
        arXiv:1512.05287.
        Merity, S., Keskar, N. and Socher, R. (2018). Regularizing and optimizing LSTM language models. arXiv:1708.02182.
    """

    def __init__(self, rate: float, vocabulary_size: int, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(vocabulary_size, bool) or not hasattr(vocabulary_size, "__index__") or vocabulary_size < 1:
            raise ValueError(
                f"vocabulary_size: expected a positive integer, the number of token ids; received {vocabulary_size!r}"
            )
        self.rate = checked_rate(rate)
        self.vocabulary_size = int(vocabulary_size)
        self.seed = seed
        self.supports_masking = True
        if self.rate:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, embedded: Any, token_ids: Any, training: bool = False) -> Any:
        if not training or not self.rate:
            return embedded
        kept = keras.random.dropout(
            keras.ops.ones((self.vocabulary_size,), self.compute_dtype), self.rate, seed=self.seed_generator
        )
        return embedded * tf.cast(tf.gather(kept, token_ids), embedded.dtype)[..., None]

    def compute_output_spec(self, embedded: Any, token_ids: Any, training: bool = False) -> Any:
        return keras.KerasTensor(embedded.shape, embedded.dtype)

    def compute_mask(self, embedded: Any, mask: Any = None) -> Any:
        return keras.tree.flatten(mask)[0] if mask is not None else None

    def get_config(self) -> dict[str, Any]:
        config = {"rate": self.rate, "vocabulary_size": self.vocabulary_size, "seed": seed_config(self.seed)}
        return {**super().get_config(), **config}
