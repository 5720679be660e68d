"""Choosing among continuations and rescoring n-best lists."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrnn.cells import GRUCell
from kerasrnn.models import LanguageModel, Ranking, rescore
from kerasrnn.ngram import KneserNeyModel, MarkovModel
from kerasrnn.tokenizers import CharTokenizer, WordTokenizer

TEXT = "it is hard to recognize speech. it is easy to recognize a beach. a nice beach is hard to wreck."
SPEECH, BEACH = "to recognize speech", "to wreck a nice beach"


@functools.cache
def model(kind=CharTokenizer):
    keras.utils.set_random_seed(0)
    tokenizer = kind()
    tokenizer.adapt(TEXT)
    made = LanguageModel(GRUCell(8), tokenizer)
    made.set_weights([3 * w for w in made.get_weights()])
    return made


@pytest.mark.parametrize("kind", [CharTokenizer, WordTokenizer])
@pytest.mark.parametrize("prompt", ["", "it is hard "])
def test_log_probabilities_are_those_of_the_continuations_tokens(kind, prompt):
    made, texts = model(kind), [SPEECH, BEACH, "", "it"]
    tokenize = made.tokenizer.tokenize
    before = [made.tokenizer.start_token_id, *tokenize(prompt).numpy()]
    expected = []
    for text in texts:
        token_ids = np.array([*before, *tokenize(text).numpy()])
        logarithms = tf.nn.log_softmax(made(token_ids[None]))[0].numpy()
        expected.append(sum(logarithms[t, token_ids[t + 1]] for t in range(len(before) - 1, len(token_ids) - 1)))
    ranking = made.choose(prompt, texts)
    np.testing.assert_allclose(ranking.log_probabilities, expected, rtol=1e-5, atol=1e-5)
    assert ranking.num_tokens.tolist() == [len(tokenize(text)) for text in texts]
    np.testing.assert_array_equal(ranking.scores, ranking.log_probabilities)
    np.testing.assert_array_equal(ranking.order, np.argsort(-np.array(expected)))
    np.testing.assert_allclose(made.choose(prompt, texts, num_steps=2).scores, ranking.scores, rtol=1e-5)


def test_together_prompt_and_continuation_are_as_likely_as_their_text():
    total = model().score("it is " + BEACH)[0]
    assert model().score("it is ")[0] + model().choose("it is ", [BEACH]).scores[0] == pytest.approx(total, rel=1e-5)


def test_the_length_penalty_divides():
    plain, penalised = (model().choose("it is ", ["hard", BEACH], length_penalty=alpha) for alpha in (0.0, 0.7))
    np.testing.assert_allclose(penalised.scores, plain.scores / ((5 + np.array([4, len(BEACH)])) / 6) ** 0.7)


def test_rankings_have_the_best_first_and_ties_as_given():
    ranking = Ranking([*"abcd"], np.array([-2.0, -1.0, -1.0, -np.inf]), np.zeros(4), np.ones(4))
    assert ranking.order.tolist() == [1, 2, 0, 3] and ranking.best == "b"


def test_rescoring_interpolates():
    made, texts, acoustic = model(), [SPEECH, BEACH, "it"], np.array([-7.1, -7.0, -9.0])
    log_probabilities, num_tokens = made.score(texts)
    ranking = rescore(made, texts, acoustic, weight=0.25, token_bonus=0.5)
    np.testing.assert_allclose(ranking.scores, 0.75 * acoustic + 0.25 * log_probabilities + 0.5 * num_tokens)
    np.testing.assert_array_equal(ranking.log_probabilities, log_probabilities)
    assert rescore(made, texts, acoustic, weight=0).best == BEACH
    np.testing.assert_array_equal(rescore(made, texts, acoustic, weight=1).scores, log_probabilities)


def test_count_based_models_rescore_too():
    words = model(WordTokenizer).tokenizer
    for counted in (KneserNeyModel(order=2, tokenizer=words), MarkovModel(order=2, tokenizer=words)):
        counted.fit(TEXT)
        ranking = rescore(counted, ["hard to recognize speech", "speech recognize to hard"], [-7.1, -7.0], weight=0.3)
        assert ranking.best == "hard to recognize speech"
        assert ranking.log_probabilities[0] == pytest.approx(counted.score("hard to recognize speech")[0])


class Certain:
    """Holds one text to be certain and all others to be impossible."""

    def score(self, texts):
        return [0.0 if text == "it" else -np.inf for text in texts], [len(text) for text in texts]


def test_what_a_model_holds_to_be_impossible_stays_so_but_at_weight_0():
    assert rescore(Certain(), ["is", "it"], [-1.0, -9.0], weight=0.01).order.tolist() == [1, 0]
    np.testing.assert_array_equal(rescore(Certain(), ["is", "it"], [-1.0, -9.0], weight=0).scores, [-1, -9])
    np.testing.assert_array_equal(rescore(Certain(), ["is", "it"], [-np.inf, -np.inf], weight=1).scores, [-np.inf, 0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [((7, ["a"]), TypeError, "^prompt: expected a string"), (("a", "b"), TypeError, "^continuations: expected a list"),
     (("a", [3]), TypeError, "^continuations: expected"), (("a", []), ValueError, "^continuations: expected at least one"),
     (("a", ["b"], -1), ValueError, "^length_penalty: expected"), (("a", ["b"], 0, 0), ValueError, "^num_steps: expected")],
    ids=str,
)  # fmt: skip
def test_choose_refuses_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        model().choose(*arguments)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [({"model": "gpt"}, TypeError, "^model: expected something with a `score`.*received str"),
     ({"hypotheses": "it"}, TypeError, "^hypotheses: expected a list"), 
     ({"hypotheses": []}, ValueError, "^hypotheses: expected"),
     ({"scores": [1.0]}, ValueError, "^scores: expected one number a hypothesis, 2; received"),
     ({"scores": ["a", "b"]}, ValueError, "^scores: expected numbers"),
     ({"scores": [0.0, np.nan]}, ValueError, "^scores: .*NaN"),
     ({"weight": 1.5}, ValueError, r"^weight: expected a number in \[0, 1\]; received 1.5"),
     ({"weight": [0.5, 0.5]}, ValueError, "^weight: expected"),
     ({"token_bonus": np.inf}, ValueError, "^token_bonus: expected")],
    ids=str,
)  # fmt: skip
def test_rescore_refuses_bad_arguments(changed, error, message):
    with pytest.raises(error, match=message):
        rescore(**{"model": model(), "hypotheses": ["it", "is"], "scores": [-1.0, -2.0], **changed})
