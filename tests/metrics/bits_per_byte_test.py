import numpy as np
import pytest

from kerasrnn._backend import keras
from kerasrnn.metrics import BitsPerByte, BitsPerCharacter


def test_bytes_share_the_bits_of_their_token():
    metric = BitsPerByte(bytes_per_token=4.0)
    metric.update_state([[0, 1]], np.zeros((1, 2, 256)))
    np.testing.assert_allclose(metric.result(), 2.0, rtol=1e-6)


def test_one_text_in_characters_and_in_bytes():
    text = "naïve €"  # ï has two bytes, € three
    characters, of_bytes = BitsPerCharacter(), BitsPerByte(len(text.encode()) / len(text))
    logits = np.random.default_rng(0).normal(size=(1, len(text), 5))
    for metric in (characters, of_bytes):
        metric.update_state(np.zeros((1, len(text))), logits)
    np.testing.assert_allclose(float(of_bytes.result()) * 10, float(characters.result()) * 7, rtol=1e-6)


def test_uneven_weighted_batches_count_by_their_weight():
    rng = np.random.default_rng(1)
    ids, logits, weights = rng.integers(5, size=(7, 3)), rng.normal(size=(7, 3, 5)), rng.integers(0, 3, (7, 3)) / 2
    whole, parts = BitsPerByte(1.5), BitsPerByte(1.5)
    whole.update_state(ids, logits, weights)
    for part in (slice(0, 1), slice(1, 6), slice(6, 7)):
        parts.update_state(ids[part], logits[part], weights[part])
    losses = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(logits, ids[..., None], -1)[..., 0]
    expected = (losses * weights).sum() / weights.sum() / np.log(2) / 1.5
    np.testing.assert_allclose([whole.result(), parts.result()], expected, rtol=1e-6)


@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_bytes_per_token_must_be_positive(value):
    with pytest.raises(ValueError, match="bytes_per_token must be positive"):
        BitsPerByte(bytes_per_token=value)


def test_config():
    metric = BitsPerByte(4.5, from_logits=False, ignore_class=0, name="bpb")
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert isinstance(restored, BitsPerByte)
    assert restored.get_config() == metric.get_config()
