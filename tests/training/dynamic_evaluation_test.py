import math

import numpy as np
import pytest

from kerasrnn._backend import keras
from kerasrnn.cells import GRUCell, LSTMCell, SimpleRNNCell
from kerasrnn.models import LanguageModel
from kerasrnn.tokenizers import CharTokenizer
from kerasrnn.training import DynamicEvaluation, evaluate_text

SYMBOLS = ["\ufffd", "\n", "a", "b", "c", "d"]
TEXT, TRAINING_TEXT = "abcabddcabcaadbcab", "abcdabcaabcdcbaddcab"


def elman(dtype="float64"):
    keras.utils.set_random_seed(1)
    model = LanguageModel(SimpleRNNCell(5, dtype=dtype), tokenizer=CharTokenizer(SYMBOLS), embedding="one_hot", dtype=dtype)
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(len(variable.shape)).uniform(-1, 1, variable.shape))
    return model


class Elman:
    """The same network, its losses and the gradient of their mean, in NumPy from the equations."""

    def __init__(self, model):
        self.weights = [variable.numpy() for variable in model.trainable_variables]
        names = [variable.path for variable in model.trainable_variables]
        assert [name.split("/")[-2:] for name in names[-2:]] == [["logits", "kernel"], ["logits", "bias"]], names
        assert [name.rsplit("/", 1)[1] for name in names[:3]] == ["kernel", "recurrent_kernel", "bias"], names

    def run(self, token_ids, targets, h):
        (kernel, recurrent, bias, out, out_bias), rows = self.weights, np.arange(len(token_ids))
        hs, losses, d_logits = [h], [], []
        for x, y in zip(token_ids.T, targets.T):
            hs.append(np.tanh(kernel[x] + hs[-1] @ recurrent + bias))
            p = np.exp(hs[-1] @ out + out_bias)
            p /= p.sum(1, keepdims=True)
            losses.append(-np.log(p[rows, y]))
            d_logits.append(p - np.eye(len(SYMBOLS))[y])
        gradients = [np.zeros_like(weight) for weight in self.weights]
        d_next, size = np.zeros_like(h), targets.size
        for t in reversed(range(len(losses))):
            d = d_logits[t] / size
            gradients[3] += hs[t + 1].T @ d
            gradients[4] += d.sum(0)
            d = (d @ out.T + d_next) * (1 - hs[t + 1] ** 2)
            np.add.at(gradients[0], token_ids[:, t], d)
            gradients[1] += hs[t].T @ d
            gradients[2] += d.sum(0)
            d_next = d @ recurrent.T
        return np.array(losses).T, gradients, hs[-1]


def by_hand(model, text, settings):
    """Log-likelihoods of the tokens, and the weights in the end."""
    network, n = Elman(model), settings.num_steps
    trained = [weight.copy() for weight in network.weights]
    divisors, rates = [1.0] * 5, [settings.decay] * 5
    if settings.method == "rms":
        ids = np.asarray(model.tokenizer.tokenize(settings.training_text))
        rows = min(settings.rows, (len(ids) - 1) // n)
        length = (len(ids) - 1) // rows
        inputs, targets = ids[: rows * length].reshape(rows, length), ids[1 : rows * length + 1].reshape(rows, length)
        h, squares = np.zeros((rows, 5)), []
        for start in range(0, length // n * n, n):
            _, gradients, h = network.run(inputs[:, start : start + n], targets[:, start : start + n], h)
            squares.append([gradient**2 for gradient in gradients])
        roots = [np.sqrt(np.mean(same, axis=0)) for same in zip(*squares)]
        mean = np.mean(np.concatenate([root.ravel() for root in roots]))
        rates = [settings.decay * np.minimum(root / mean, 1 / settings.decay) for root in roots]
        divisors = [root + settings.epsilon for root in roots]
    targets = np.asarray(model.tokenizer.tokenize(text))[None]
    token_ids = np.concatenate([[[model.tokenizer.start_token_id]], targets[:, :-1]], 1)
    h, values = np.zeros((1, 5)), []
    for start in range(0, targets.size, n):
        losses, gradients, h = network.run(token_ids[:, start : start + n], targets[:, start : start + n], h)
        values.extend(-losses[0])
        for weight, g, theta_g, divisor, rate in zip(network.weights, gradients, trained, divisors, rates):
            weight += -settings.learning_rate * g / divisor + rate * (theta_g - weight)
    return np.array(values)


SETTINGS = {
    "sgd": DynamicEvaluation("sgd", learning_rate=0.8, decay=0.0, num_steps=4),
    "sgd with decay": DynamicEvaluation("sgd", learning_rate=0.8, decay=0.3, num_steps=5),
    "rms": DynamicEvaluation("rms", learning_rate=0.05, decay=0.6, num_steps=3, training_text=TRAINING_TEXT, rows=2),
    "rms, rows for one segment": DynamicEvaluation(learning_rate=0.02, num_steps=4, training_text=TRAINING_TEXT),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_probabilities_are_those_computed_by_hand(name):
    model, settings = elman(), SETTINGS[name]
    expected = by_hand(model, TEXT, settings)
    np.testing.assert_allclose(settings.scorer(model).log_likelihoods(TEXT), expected, rtol=1e-9)
    quality = evaluate_text(model, TEXT, dynamic=settings)
    assert quality.log_likelihood == pytest.approx(expected.sum(), rel=1e-9)
    assert (quality.tokens, quality.bytes, quality.unknown_tokens) == (len(TEXT), len(TEXT), 0)
    assert abs(quality.log_likelihood - evaluate_text(model, TEXT).log_likelihood) > 0.1


@pytest.fixture(scope="module")
def deep():
    keras.utils.set_random_seed(0)
    return LanguageModel([LSTMCell(6), GRUCell(5)], tokenizer=CharTokenizer(SYMBOLS), tie_embeddings=True, dropout=0.5)


@pytest.fixture(scope="module")
def deep_scorer(deep):
    return DynamicEvaluation("sgd", learning_rate=1.0, decay=0.1, num_steps=5).scorer(deep)


def test_the_future_does_not_leak(deep_scorer):
    text, random = TEXT * 2, np.random.default_rng(0)
    whole = deep_scorer.log_likelihoods(text)
    for cut in (4, 5, 23):
        changed = text[:cut] + "".join(random.permutation(list(text[cut:])))
        assert changed != text
        values = deep_scorer.log_likelihoods(changed)
        np.testing.assert_array_equal(values[:cut], whole[:cut])
        assert (values[cut:] != whole[cut:]).any()


def test_nothing_learnt_is_the_static_evaluation(deep):
    quality = evaluate_text(deep, TEXT, dynamic=DynamicEvaluation("sgd", learning_rate=0.0))
    assert quality.log_likelihood == pytest.approx(evaluate_text(deep, TEXT).log_likelihood, rel=1e-5)


def test_documents_begin_anew_and_their_order_is_of_no_matter(deep_scorer):
    documents = [TEXT, "ab", TEXT * 2]
    alone = [deep_scorer.score([document])[0][0] for document in documents]
    assert deep_scorer.score(documents[::-1])[0] == alone[::-1]
    assert evaluate_text(deep_scorer, [*documents, ""]).log_likelihood == math.fsum(alone)


def test_the_weights_are_restored_whatever_happens(deep, deep_scorer, monkeypatch):
    before = [w.copy() for w in deep.get_weights()]
    deep_scorer.score([TEXT])
    assert all(map(np.array_equal, before, deep.get_weights()))
    settings = DynamicEvaluation("sgd", learning_rate=1e38, decay=0.0)
    with pytest.raises(ValueError, match="learning_rate must be so low that the model does not diverge, but is 1e\\+38"):
        evaluate_text(deep, TEXT * 20, dynamic=settings)
    assert all(map(np.array_equal, before, deep.get_weights()))
    segment, calls = deep_scorer._segment, []

    def interrupted(*arguments):
        calls.append(None)
        if len(calls) == 3:
            assert not all(map(np.array_equal, before, deep.get_weights()))
            raise KeyboardInterrupt
        return segment(*arguments)

    monkeypatch.setattr(deep_scorer, "_segment", interrupted)
    with pytest.raises(KeyboardInterrupt):
        deep_scorer.score([TEXT])
    assert all(map(np.array_equal, before, deep.get_weights()))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_learns_as_float32_does(policy):
    settings = DynamicEvaluation("sgd", learning_rate=0.8, decay=0.1)
    expected = settings.scorer(elman("float32")).log_likelihoods(TEXT)
    tolerance = 2e-2 if policy == "mixed_float16" else 1e-1
    np.testing.assert_allclose(settings.scorer(elman(policy)).log_likelihoods(TEXT), expected, atol=tolerance)


def test_bad_settings_and_models(deep):
    for name, value in [("learning_rate", -1), ("learning_rate", float("nan")), ("decay", 1.1), ("num_steps", 0),
                        ("epsilon", 0), ("rows", 2.5), ("method", "adam")]:  # fmt: skip
        with pytest.raises(ValueError, match=f"{name} must be .*, but is {value!r}"):
            DynamicEvaluation(**{"method": "sgd", name: value})
    with pytest.raises(ValueError, match="training_text must be a text for method='rms'.*, but is None. Give the text"):
        DynamicEvaluation()
    with pytest.raises(ValueError, match="training_text must have more tokens than a segment's num_steps=5, but has 3"):
        evaluate_text(deep, TEXT, dynamic=DynamicEvaluation(training_text="abc"))
    with pytest.raises(TypeError, match="model must be a kerasrnn.models.LanguageModel.* but is a Dense"):
        evaluate_text(keras.layers.Dense(2), TEXT, dynamic=SETTINGS["sgd"])
    with pytest.raises(ValueError, match="model must have a tokenizer to read text with"):
        evaluate_text(LanguageModel(GRUCell(2), vocabulary_size=3), TEXT, dynamic=SETTINGS["sgd"])
    with pytest.raises(ValueError, match="text must have at least one token, but is empty"):
        evaluate_text(deep, "", dynamic=SETTINGS["sgd"])
