"""Samplers with their own `__call__`, wherever a sampler is taken."""

import numpy as np
import pytest
import tensorflow as tf
from uneven_models import uneven_model

import kerasrnn
from kerasrnn.samplers import Sampler, TopK


class Largest(Sampler):
    """Greedy, in NumPy, with a record of what it was given."""

    def __init__(self):
        super().__init__()
        self.steps, self.seeds, self.seen = [], [], []

    def __call__(self, logits, seed, step=0, seen=None):
        self.steps.append(int(step))
        self.seeds.append(np.asarray(seed).tolist())
        self.seen.append(np.asarray(seen).sum())
        return np.argmax(logits, axis=-1)


class OfTheirOwn(TopK):
    """TopK's own draw, in TensorFlow."""

    def __call__(self, logits, seed, step=0, seen=None):
        return super().__call__(logits, seed, step, seen)


class Always(Sampler):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def __call__(self, logits, seed, step=0, seen=None):
        return self.value


@pytest.fixture(scope="module")
def model():
    return uneven_model(2)


def test_it_is_called_for_every_token_with_seed_step_and_what_was_seen(model):
    sampler = Largest()
    texts = model.generate(["the ", "a"], 12, seed=[5, 6], sampler=sampler)
    assert texts == model.generate(["the ", "a"], 12, temperature=0)
    assert sampler.steps == [*range(12)] and sampler.seeds == [[5, 6]] * 12
    assert sampler.seen[0] == len({*"the "}) + 1 and sorted(sampler.seen) == sampler.seen
    assert model.generate("", 3, sampler=Largest()) == model.generate("", 3, temperature=0)  # a second one, and its own
    assert len(sampler.steps) == 12


def test_streams_samples_and_stop_strings_as_of_any_sampler(model):
    sampler, alike = OfTheirOwn(3, temperature=0.7), {"top_k": 3, "temperature": 0.7}
    assert model.generate("the ", 30, seed=2, sampler=sampler) == model.generate("the ", 30, seed=2, **alike)
    pieces = [*model.generate("the ", 30, seed=2, sampler=sampler, stream=True)]
    assert "".join(pieces) == model.generate("the ", 30, seed=2, **alike) and len(pieces) > 5
    found = model.generate("the ", 30, seed=2, sampler=sampler, num_samples=2, stop="t", return_log_probabilities=True)
    expected = model.generate("the ", 30, seed=2, num_samples=2, stop="t", return_log_probabilities=True, **alike)
    assert [f.text for f in found] == [e.text for e in expected]
    np.testing.assert_allclose(found[0].log_probabilities, expected[0].log_probabilities, atol=1e-6)


@pytest.mark.parametrize("value", [[0.5], [99], [-1], [1, 2], 1, None, "a"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_it_returns_must_be_token_ids(model, value, stream):
    with pytest.raises((ValueError, tf.errors.OpError), match="sampler: expected Always to return 1 token ids"):
        "".join(model.generate("the ", 5, sampler=Always(value), stream=stream))


@pytest.mark.parametrize("format", ["onnx", "tf_saved_model"])
def test_no_export_holds_it(model, tmp_path, format):
    with pytest.raises(ValueError, match="^sampler: expected none, .*step"):
        model.export(tmp_path / "out", format=format, sampler=Largest())
    assert [*tmp_path.iterdir()] == []
