import numpy as np
import pytest

from kerasrnn._backend import keras
from kerasrnn.metrics import BitsPerCharacter, Perplexity


def test_is_the_logarithm_of_the_perplexity():
    rng = np.random.default_rng(0)
    bits, perplexity = BitsPerCharacter(), Perplexity()
    for metric in (bits, perplexity):
        metric.update_state(rng.integers(5, size=(2, 3)), np.zeros((2, 3, 5)))
    np.testing.assert_allclose(bits.result(), np.log2(perplexity.result()), rtol=1e-6)


def test_characters_share_the_bits_of_their_token():
    metric = BitsPerCharacter(characters_per_token=4.0)
    metric.update_state([[0, 1]], np.zeros((1, 2, 256)))
    np.testing.assert_allclose(metric.result(), 2.0, rtol=1e-6)


@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_characters_per_token_must_be_positive(value):
    with pytest.raises(ValueError, match="characters_per_token must be positive"):
        BitsPerCharacter(characters_per_token=value)


def test_config():
    metric = BitsPerCharacter(4.5, from_logits=False, ignore_class=0, name="bpc")
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert isinstance(restored, BitsPerCharacter)
    assert restored.get_config() == metric.get_config()
