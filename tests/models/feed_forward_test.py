"""The feed-forward language model: the paper's equation, its contexts, training with plain fit, text and files."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.data import language_model_dataset
from kerasrnn.models import FeedForwardLanguageModel
from kerasrnn.tokenizers import CharTokenizer
from kerasrnn.training import evaluate_text

TEXT = "the cat sat on the mat. " * 60


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    tokenizer = CharTokenizer()
    tokenizer.adapt(TEXT)
    model = FeedForwardLanguageModel(order=5, units=32, tokenizer=tokenizer, embedding=8, direct=True)
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(language_model_dataset(TEXT, tokenizer, batch_size=8, num_steps=16, seed=0), epochs=15, verbose=0)
    return model


def distinct(model):
    """Gives every weight another value, so that a wrong index shows."""
    random = np.random.default_rng(3)
    model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("direct", [False, True])
def test_is_the_papers_equation(direct):
    model = distinct(FeedForwardLanguageModel(order=4, units=3, vocabulary_size=6, embedding=2, direct=direct))
    embedding, hidden, d, u, b, *w = model.get_weights()
    ids = [5, 0, 2, 2, 4]
    logits = model(np.array([ids]))[0].numpy()
    for t in range(len(ids)):
        x = np.concatenate([embedding[ids[t - k]] if t >= k else np.zeros(2) for k in range(3)])
        expected = b + np.tanh(d + x @ hidden) @ u + (x @ w[0] if w else 0)
        np.testing.assert_allclose(logits[t], expected, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(order=st.integers(2, 5), first=st.integers(1, 6), mask=st.lists(st.booleans(), min_size=8, max_size=8))
def test_windows_carry_on_and_masked_steps_are_no_part_of_them(order, first, mask):
    model = distinct(FeedForwardLanguageModel(order=order, units=3, vocabulary_size=9, embedding=2))
    ids, mask = np.array([[1, 2, 3, 4, 5, 6, 7, 8]] * 2), np.array([mask, [True] * 8])
    whole, [context] = model(ids, return_state=True, mask=mask)
    head, states = model(ids[:, :first], return_state=True, mask=mask[:, :first])
    tail, [last] = model(ids[:, first:], initial_state=states, return_state=True, mask=mask[:, first:])
    parts = np.concatenate([head, tail], axis=1)
    alone, [context_alone] = model(ids[:1, mask[0]], return_state=True)
    np.testing.assert_allclose(parts[mask], whole.numpy()[mask], atol=1e-5)
    np.testing.assert_allclose(whole.numpy()[0, mask[0]], alone[0], atol=1e-5)
    np.testing.assert_allclose(last, context, atol=1e-6)
    np.testing.assert_allclose(context[0], context_alone[0], atol=1e-6)
    np.testing.assert_allclose(whole[1], model(ids)[1], atol=1e-5)


def test_learns_and_writes(trained):
    assert trained.history.history["perplexity"][-1] < 1.3
    *words, _ = trained.generate("the ", 40, temperature=0).split()
    assert set(words) <= {"cat", "sat", "on", "the", "mat."}
    assert trained.generate(["the c", "sat"], 9, seed=3) == [trained.generate(p, 9, seed=3) for p in ("the c", "sat")]


def test_quality_does_not_depend_on_windows(trained):
    text = TEXT[:200] + "mat cat"
    figures = [evaluate_text(trained, text, num_steps=n).bits_per_character for n in (3, 1024)]
    assert figures[0] == pytest.approx(figures[1], rel=1e-5)


def test_comes_back_from_a_file(trained, tmp_path):
    trained.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    ids = np.array([[1, 2, 3, 4]])
    np.testing.assert_array_equal(loaded(ids), trained(ids))
    assert loaded.get_config() == trained.get_config()
    assert loaded.generate("the ", 20, seed=1) == trained.generate("the ", 20, seed=1)
    assert loaded.optimizer.iterations == trained.optimizer.iterations


def test_mixed_precision_and_dropout():
    model = FeedForwardLanguageModel(3, 4, vocabulary_size=9, embedding=2, dropout=0.5, direct=True, dtype="mixed_bfloat16")
    ids = np.random.default_rng(0).integers(0, 9, (8, 7))
    assert model(ids).dtype == "float32"
    assert np.any(model(ids, training=True) != model(ids))
    model.compile(keras.optimizers.Adam(0.05))
    losses = model.fit(ids[:, :-1], ids[:, 1:], epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"order": 1}, "order: expected an integer of at least 2; received 1"),
        ({"units": 0}, "units: expected .* received 0"),
        ({"embedding": 2.0}, "embedding: expected .* received 2.0"),
        ({"dropout": 1.0}, r"dropout: expected a share in \[0, 1\); received 1.0"),
        ({"vocabulary_size": None}, "expected either tokenizer or vocabulary_size; received neither"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        FeedForwardLanguageModel(**{"order": 3, "units": 4, "vocabulary_size": 9, **options})


def test_token_ids_outside_the_vocabulary():
    with pytest.raises(ValueError, match=r"token_ids: expected values in \[0, 9\).* received 9"):
        FeedForwardLanguageModel(3, 4, vocabulary_size=9)(np.array([[9]]))
