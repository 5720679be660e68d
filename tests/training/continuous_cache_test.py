import numpy as np
import pytest

from kerasrnn._backend import keras, tf
from kerasrnn.cells import GRUCell, LSTMCell
from kerasrnn.models import LanguageModel
from kerasrnn.tokenizers import CharTokenizer
from kerasrnn.training import ContinuousCache, DynamicEvaluation, evaluate_text
from kerasrnn.training.continuous_cache import hidden_states_and_logits

SYMBOLS = ["\ufffd", "\n", "a", "b", "c", "d"]
TEXT = "abcabddcabcaadbcab" * 2


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = LanguageModel([LSTMCell(6), GRUCell(5)], tokenizer=CharTokenizer(SYMBOLS), dropout=0.5)
    for weight in model.trainable_variables:
        weight.assign(3 * weight)
    return model


def by_hand(model, text, settings):
    """All tokens' probabilities at each step, (tokens, vocabulary), by the paper's equations, one term at a time."""
    targets = np.asarray(model.tokenizer.tokenize(text))
    x = np.append(model.tokenizer.start_token_id, targets)
    h, logits, _ = hidden_states_and_logits(model, tf.constant(x[None, :-1], tf.int32), model.get_initial_state(1))
    h, logits = np.asarray(h, "float64")[0], np.asarray(logits, "float64")[0]
    result = []
    for t in range(len(targets)):
        p = np.exp(logits[t]) / np.exp(logits[t]).sum()
        cache = np.zeros(len(SYMBOLS))
        for i in range(max(0, t - settings.window), t):
            cache[x[i + 1]] += np.exp(settings.flatness * h[t] @ h[i])
        result.append((1 - settings.share) * p + settings.share * cache / cache.sum() if t else p)
    return np.array(result), targets


@pytest.mark.parametrize("settings", [
    ContinuousCache(window=100, flatness=0.7, share=0.4, num_steps=512),
    ContinuousCache(window=3, flatness=2.0, share=0.9, num_steps=5),
    ContinuousCache(window=7, flatness=0.0, share=0.1, num_steps=1),
    ContinuousCache(window=4, flatness=30.0, share=0.2, num_steps=9),
], ids=["all", "short window", "flat", "steep"])  # fmt: skip
def test_the_probabilities_are_those_computed_by_hand(model, settings):
    expected, targets = by_hand(model, TEXT, settings)
    np.testing.assert_allclose(expected.sum(1), 1.0)
    log_likelihoods = np.log(expected[np.arange(len(targets)), targets])
    np.testing.assert_allclose(settings.scorer(model).log_likelihoods(TEXT), log_likelihoods, atol=2e-5)
    quality = evaluate_text(model, TEXT, cache=settings)
    assert quality.log_likelihood == pytest.approx(log_likelihoods.sum(), rel=1e-5)
    assert (quality.tokens, quality.bytes, quality.unknown_tokens) == (len(TEXT), len(TEXT), 0)


@pytest.mark.parametrize("num_steps", [1, 4, 17])
def test_num_steps_changes_nothing(model, num_steps):
    whole = ContinuousCache(window=6, flatness=1.0, share=0.5).scorer(model).log_likelihoods(TEXT)
    parts = ContinuousCache(window=6, flatness=1.0, share=0.5, num_steps=num_steps).scorer(model).log_likelihoods(TEXT)
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_the_future_does_not_leak(model):
    scorer, random = ContinuousCache(window=9, flatness=1.0, share=0.5, num_steps=8).scorer(model), np.random.default_rng(0)
    whole = scorer.log_likelihoods(TEXT)
    for cut in (1, 8, 9, 30):
        changed = TEXT[:cut] + "".join(random.permutation(list(TEXT[cut:])))
        assert changed != TEXT
        values = scorer.log_likelihoods(changed)
        np.testing.assert_allclose(values[:cut], whole[:cut], atol=1e-6)
        assert abs(values[cut:] - whole[cut:]).max() > 1e-3


def test_without_a_share_it_is_the_plain_evaluation_and_of_documents_each_begins_empty(model):
    documents = [TEXT, "", "dab"]
    quality = evaluate_text(model, documents, cache=ContinuousCache(share=0.0))
    assert quality.log_likelihood == pytest.approx(evaluate_text(model, documents).log_likelihood, rel=1e-5)
    scorer = ContinuousCache(share=0.5).scorer(model)
    alone = scorer.score([TEXT])[0][0] + scorer.score(["dab"])[0][0]
    assert evaluate_text(scorer, documents).log_likelihood == pytest.approx(alone, rel=1e-9)


def test_a_token_that_neither_the_cache_nor_the_share_allows_is_impossible(model):
    values = ContinuousCache(share=1.0).scorer(model).log_likelihoods("aab")
    assert values[1] == pytest.approx(0.0, abs=1e-5) and values[2] == -np.inf


@pytest.mark.parametrize("options", [
    {"tie_embeddings": True}, {"embedding": "one_hot"}, {"embedding": 3}, {"dtype": "mixed_bfloat16"},
    {"dtype": "mixed_float16"}, {"stateful": True},
], ids=str)  # fmt: skip
def test_the_logits_are_the_models_own(options):
    cells = [cell(units, dtype=options.get("dtype")) for cell, units in ((LSTMCell, 6), (GRUCell, 5))]
    model = LanguageModel(cells, vocabulary_size=4, **options)
    ids, states = np.array([[1, 2, 3, 3, 0], [0, 1, 2, 0, 3]], "int32"), model.get_initial_state(2)
    h, logits, last = hidden_states_and_logits(model, tf.constant(ids), states)
    expected, expected_states = model(ids, initial_state=states, return_state=True)
    np.testing.assert_array_equal(logits, expected)
    for ours, theirs in zip(last, expected_states, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(h[:, -1], last[-1])


def test_bad_settings(model):
    for name, value in [("window", 0), ("num_steps", 1.5), ("flatness", -0.1), ("share", 1.5), ("share", float("nan"))]:
        with pytest.raises(ValueError, match=f"{name} must be .*, but is {value!r}"):
            ContinuousCache(**{name: value})
    with pytest.raises(TypeError, match="model must be a kerasrnn.models.LanguageModel"):
        evaluate_text(keras.layers.Dense(2), TEXT, cache=ContinuousCache())
    with pytest.raises(ValueError, match="dynamic and cache exclude each other"):
        evaluate_text(keras.layers.Dense(2), TEXT, dynamic=DynamicEvaluation("sgd"), cache=ContinuousCache())
