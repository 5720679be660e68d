"""Dropout with one mask for all time steps."""

from typing import Any

from kerasrnn._backend import keras


@keras.saving.register_keras_serializable(package="kerasrnn")
class LockedDropout(keras.layers.Layer):
    """Dropout that leaves out the same features at every time step of a sequence (Gal and Ghahramani, 2016).

        y_t = m ⊙ x_t / (1 − rate)      m ~ Bernoulli(1 − rate), one draw a row and feature, the same for all t

    Args:
        rate: the share of features dropped, in [0, 1).
        seed: an integer, a `keras.random.SeedGenerator`, or None for a new seed.
        **kwargs: as in `keras.layers.Layer`.

    Call arguments:
        inputs: (batch, time, features).
        training: whether to drop anything; nothing is dropped at inference.

    Returns:
        (batch, time, features), the dtype of the inputs.

    Raises:
        ValueError: the rate is outside its range, or the inputs have not three axes.

    Example:

    >>> import keras, kerasrnn
    >>> layer = kerasrnn.layers.LockedDropout(0.5, seed=1)
    >>> dropped = layer(keras.ops.ones((2, 9, 4)), training=True).numpy()
    >>> bool((dropped == dropped[:, :1]).all()), sorted({*dropped.ravel().tolist()})
    (True, [0.0, 2.0])

    Reference:
        Gal, Y. and Ghahramani, Z. (2016). A theoretically grounded application of dropout in recurrent neural networks.
        arXiv:1512.05287.
    """

    def __init__(self, rate: float, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = checked_rate(rate)
        self.seed = seed
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)
        if self.rate:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or not self.rate:
            return inputs
        batch, _, features = keras.ops.shape(inputs)
        return keras.random.dropout(inputs, self.rate, noise_shape=(batch, 1, features), seed=self.seed_generator)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": seed_config(self.seed)}


def checked_rate(rate: Any) -> float:
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise ValueError(f"rate: expected the share to drop, in [0, 1); received {rate!r}. Use 0 for no dropout.")
    return rate


def seed_config(seed: Any) -> Any:
    """A seed as `get_config` returns it: a generator's own seed, as a generator shared by layers cannot be saved."""
    return seed.seed if isinstance(seed, keras.random.SeedGenerator) else seed
