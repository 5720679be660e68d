"""The language model: its shapes and arguments, training with plain fit, text out of it, and files."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrnn.cells import GRUCell, LSTMCell, SimpleRNNCell
from kerasrnn.data import language_model_dataset
from kerasrnn.models import FeedForwardLanguageModel, LanguageModel
from kerasrnn.tokenizers import CharTokenizer

TEXT = "the cat sat on the mat. " * 60
TOKENIZER = CharTokenizer()
TOKENIZER.adapt(TEXT)


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    model = LanguageModel([LSTMCell(24), GRUCell(24)], tokenizer=TOKENIZER, dropout=0.1)
    model.compile(optimizer=keras.optimizers.Adam(0.01, global_clipnorm=1.0))
    model.fit(language_model_dataset(TEXT, TOKENIZER, batch_size=8, num_steps=16, seed=0), epochs=25, verbose=0)
    return model


@pytest.mark.parametrize(
    "options",
    [{}, {"embedding": 7}, {"embedding": "one_hot"}, {"tie_embeddings": True}, {"dropout": 0.3},
     {"stateful": True, "tie_embeddings": True, "dropout": 0.1, "input_dropout": 0.2, "output_dropout": 0.0,
      "embedding_dropout": 0.1, "locked_dropout": True, "weight_drop": 0.2, "activity_regularization": 0.1,
      "temporal_activity_regularization": 0.1}],
    ids=str,
)
@pytest.mark.one_in(4)
def test_forms_train_and_come_back_from_a_file(options, tmp_path):
    model = LanguageModel([SimpleRNNCell(6), LSTMCell(5)], vocabulary_size=9, **options)
    ids = np.random.default_rng(0).integers(0, 9, (8, 7))
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    losses = model.fit(ids[:, :-1], ids[:, 1:], epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(ids), model(ids))
    assert loaded.evaluate(ids[:, :-1], ids[:, 1:], verbose=0) == model.evaluate(ids[:, :-1], ids[:, 1:], verbose=0)
    assert loaded.optimizer.iterations == model.optimizer.iterations


def test_dropout_is_of_the_input_between_layers_and_of_the_output():
    options = {"dropout": 0.1, "input_dropout": 0.2, "output_dropout": 0.0, "locked_dropout": True, "weight_drop": 0.3}
    model = LanguageModel([LSTMCell(4), LSTMCell(4)], vocabulary_size=9, **options)
    assert [type(layer).__name__ for layer in model.dropout_layers] == ["LockedDropout"] * 3
    assert [layer.rate for layer in model.dropout_layers] == [0.2, 0.1, 0.0]
    assert [layer.weight_drop for layer in model.recurrent_layers] == [0.3, 0.3]
    plain = LanguageModel([LSTMCell(4), LSTMCell(4)], vocabulary_size=9, dropout=0.1)
    assert [(type(layer), layer.rate) for layer in plain.dropout_layers] == [(keras.layers.Dropout, 0.1)] * 3


def test_dropped_words_have_no_embedding_in_the_whole_batch():
    model = LanguageModel(SimpleRNNCell(4, use_bias=False), vocabulary_size=9, embedding_dropout=0.5)
    model.output_layer.bias.assign(np.arange(9.0))
    logits = np.reshape(model(np.array([[t] for t in range(9)] * 2), training=True), (2, 9, 9))
    np.testing.assert_array_equal(logits[0], logits[1])
    dropped = np.all(logits[0] == np.arange(9.0), axis=-1)
    assert 0 < dropped.sum() < 9


def test_activity_regularization_is_of_the_last_layers_outputs_in_training():
    model = LanguageModel(LSTMCell(4), vocabulary_size=9, activity_regularization=2.0, temporal_activity_regularization=1.0)
    ids = np.random.default_rng(0).integers(0, 9, (2, 6))
    h = model.recurrent_layers[0](model.embedding_layer(ids))[0].numpy()
    model(ids, training=True)
    assert float(sum(model.losses)) == pytest.approx(2 * np.mean(h**2) + np.mean((h[:, 1:] - h[:, :-1]) ** 2), rel=1e-5)
    model(ids)
    assert not model.losses


def test_tied_embeddings_share_their_weight():
    tied = LanguageModel(LSTMCell(6), vocabulary_size=50, tie_embeddings=True)
    untied = LanguageModel(LSTMCell(6), vocabulary_size=50, embedding=6)
    assert untied.count_params() - tied.count_params() == 6 * 50


def test_one_hot_is_the_books_input():
    model = LanguageModel(SimpleRNNCell(4), vocabulary_size=3, embedding="one_hot")
    kernel, recurrent_kernel, bias, output_kernel, output_bias = (w.numpy() for w in model.trainable_weights)
    h = np.tanh(kernel[2] + bias)
    np.testing.assert_allclose(model(np.array([[2]]))[0, 0], h @ output_kernel + output_bias, atol=1e-6)


def test_states_carry_a_sequence_on():
    model = LanguageModel([LSTMCell(5), SimpleRNNCell(4)], vocabulary_size=9)
    assert model.state_names == ["state_0_h", "state_0_c", "state_1_h"]
    ids = np.random.default_rng(0).integers(0, 9, (2, 10))
    whole = model(ids)
    first, states = model(ids[:, :4], return_state=True)
    second = model(ids[:, 4:], initial_state=states)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-6)
    for state, zero in zip(states, model.get_initial_state(2), strict=True):
        assert state.shape == zero.shape


def test_fit_reports_the_perplexity_of_its_loss(trained):
    data = language_model_dataset(TEXT, TOKENIZER, batch_size=7, num_steps=16, shuffle=False)
    result = trained.evaluate(data, verbose=0, return_dict=True)
    losses = [float(tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, trained(x), from_logits=True))) for x, y in data]
    weights = [y.shape[0] for _, y in data]
    assert result["perplexity"] == pytest.approx(np.exp(np.average(losses, weights=weights)), rel=1e-5)
    assert result["perplexity"] < 1.5


def test_predict_gives_logits(trained):
    ids = np.ones((3, 5), np.int32)
    np.testing.assert_allclose(trained.predict(ids, verbose=0), trained(ids), atol=1e-5)


def test_generate_learns_the_text(trained):
    assert trained.generate("the cat ", max_new_tokens=16, temperature=0) == "sat on the mat. "


def test_generate_is_seeded_and_takes_lists(trained):
    prompts = ["the ", "", "ωхат", "a much longer prompt than the others"]
    texts = trained.generate(prompts, 30, temperature=1.5, seed=3)
    assert texts == trained.generate(prompts, 30, temperature=1.5, seed=3)
    assert texts != trained.generate(prompts, 30, temperature=1.5, seed=4)
    assert [trained.generate(p, 30, temperature=1.5, seed=3) for p in prompts] == texts
    assert [len(t) for t in texts] == [30] * 4
    assert "\ufffd" not in "".join(texts)
    assert trained.generate([], 5) == []
    assert len(trained.generate("", 1)) == 1
    assert trained.generate("the", 30, temperature=3.0) != trained.generate("the", 30, temperature=3.0)  # seeds differ


def test_generate_takes_settings_for_each_prompt(trained):
    texts = trained.generate(["the ", "the "], 20, temperature=[0, 2.0], top_k=[0, 3], top_p=[1.0, 0.9], seed=[1, 2])
    assert texts[0] == trained.generate("the ", 20, temperature=0)
    assert texts[1] == trained.generate("the ", 20, temperature=2.0, top_k=3, top_p=0.9, seed=2)


@pytest.mark.parametrize("stop", ["t", "mat", "on the", "zzz", "Ω"])
def test_text_ends_before_its_stop_string(trained, stop):
    whole = trained.generate("the cat ", 40, temperature=0.7, seed=2)
    assert trained.generate("the cat ", 40, temperature=0.7, seed=2, stop=stop) == whole.partition(stop)[0]
    several = trained.generate(["the cat "] * 3, 40, temperature=0.7, seed=2, stop=["", stop, "zzz"])
    assert several == [whole, whole.partition(stop)[0], whole]


def test_repetition_penalty_is_for_the_prompt_and_what_was_written(trained):
    written = trained.generate("abc", 26, temperature=0, repetition_penalty=1e6)
    assert len(set(written)) >= len(set(trained.generate("abc", 26, temperature=0)))
    assert len({*written[:8]} | {*"abc"}) == 11  # nothing twice while there is anything else


def test_a_saved_model_loads_in_a_process_that_imports_nothing_but_models(trained, tmp_path):
    trained.save(tmp_path / "model.keras")
    program = "import sys, keras, kerasrnn.models; print(keras.saving.load_model(sys.argv[1]).generate('the ', 9, 0), end='')"
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "model.keras"], capture_output=True, text=True)
    assert done.stdout == trained.generate("the ", 9, 0), done.stderr


def test_generate_follows_training(trained):
    model = LanguageModel(GRUCell(8), tokenizer=TOKENIZER)
    before = model.generate("the ", 20, temperature=0)
    model.set_weights([w + 0.5 * np.cos(np.arange(w.size)).reshape(w.shape) for w in model.get_weights()])
    assert model.generate("the ", 20, temperature=0) != before


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"temperature": -0.1}, "temperature"), ({"temperature": float("nan")}, "temperature"), ({"top_k": -1}, "top_k"),
     ({"top_k": 2.5}, "top_k"), ({"top_p": 0}, "top_p"), ({"top_p": 1.5}, "top_p"), ({"top_p": float("nan")}, "top_p"),
     ({"max_new_tokens": 0}, "max_new_tokens"), ({"max_new_tokens": 2.0}, "max_new_tokens"), ({"seed": "x"}, "seed"),
     ({"seed": [1, 2]}, "seed"), ({"min_p": 2}, "min_p"), ({"repetition_penalty": -1}, "repetition_penalty"),
     ({"repetition_penalty": float("nan")}, "repetition_penalty"), ({"stop": ["a", "b"]}, "stop"),
     ({"temperature": "hot"}, "temperature")],
    ids=str,
)  # fmt: skip
def test_generate_refuses_bad_arguments_by_name(trained, arguments, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        trained.generate("the ", **arguments)


def test_text_must_be_text(trained):
    with pytest.raises(TypeError, match="prompt"):
        trained.generate(7)
    with pytest.raises(TypeError, match="text"):
        trained.score([b"bytes"])


def test_score_is_the_sum_of_log_probabilities(trained):
    text = "the cat sat"
    ids = [TOKENIZER.start_token_id, *TOKENIZER.tokenize(text).numpy()]
    probabilities = tf.nn.log_softmax(trained(np.array([ids[:-1]]))[0]).numpy()
    expected = sum(probabilities[t, token] for t, token in enumerate(ids[1:]))
    log_likelihood, num_tokens = trained.score(text)
    assert (log_likelihood, num_tokens) == (pytest.approx(expected, rel=1e-5), 11)
    assert trained.score(text, num_steps=3)[0] == pytest.approx(log_likelihood, rel=1e-5)
    many, counts = trained.score([text, "", "mat"])
    np.testing.assert_allclose(many, [log_likelihood, 0, trained.score("mat")[0]], rtol=1e-5)
    assert counts.tolist() == [11, 0, 3]
    assert trained.score("") == (0.0, 0)
    with pytest.raises(ValueError, match="num_steps"):
        trained.score(text, num_steps=0)


@pytest.mark.parametrize("bad", [-1, 9, 2**31 - 1])
@pytest.mark.parametrize("embedding", [4, "one_hot"])
def test_token_ids_outside_the_vocabulary_are_refused(bad, embedding):
    model = LanguageModel(LSTMCell(3), vocabulary_size=9, embedding=embedding)
    ids = np.array([[1, bad]])
    with pytest.raises(ValueError, match=rf"token_ids.*\[0, 9\).*{bad}"):
        model(ids)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{bad} is not in"):
        model.predict(ids, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({}, "neither"), ({"tokenizer": TOKENIZER, "vocabulary_size": 3}, "both"), ({"vocabulary_size": 0}, "vocabulary_size"),
     ({"vocabulary_size": 9, "embedding": "onehot"}, "embedding"), ({"vocabulary_size": 9, "embedding": 0}, "embedding"),
     ({"vocabulary_size": 9, "dropout": 1.0}, "dropout"), ({"vocabulary_size": 9, "input_dropout": -1}, "input_dropout"),
     ({"vocabulary_size": 9, "output_dropout": 1}, "output_dropout"), ({"vocabulary_size": 9, "weight_drop": 1}, "weight_drop"),
     ({"vocabulary_size": 9, "embedding_dropout": 1}, "rate"),
     ({"vocabulary_size": 9, "embedding": 4, "tie_embeddings": True}, "tie_embeddings"),
     ({"vocabulary_size": 9, "embedding": "one_hot", "tie_embeddings": True}, "tie_embeddings"),
     ({"vocabulary_size": 9, "cells": []}, "cells")],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else str(value),
)  # fmt: skip
def test_construction_refuses_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        LanguageModel(**{"cells": LSTMCell(6), **arguments})


def test_text_needs_a_tokenizer():
    with pytest.raises(ValueError, match="tokenizer"):
        LanguageModel(LSTMCell(3), vocabulary_size=9).generate("a")


@pytest.mark.parametrize(("name", "tied"), [("mixed_bfloat16", False), ("mixed_float16", True)])
def test_mixed_precision_trains_and_gives_float32_logits(name, tied):
    policy = keras.DTypePolicy(name)
    model = LanguageModel(LSTMCell(6, dtype=policy), vocabulary_size=9, tie_embeddings=tied, dtype=policy)
    ids = np.random.default_rng(0).integers(0, 9, (4, 7))
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    losses = model.fit(ids[:, :-1], ids[:, 1:], epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert model(ids).dtype == tf.float32


def test_keras_s_own_cells_work():
    model = LanguageModel([keras.layers.LSTMCell(4), keras.layers.GRUCell(4)], tokenizer=TOKENIZER)
    assert model.state_names == ["state_0_h", "state_0_c", "state_1_h"]
    assert len(model.generate("the", 5)) == 5


def test_export_refuses_an_unknown_format(trained, tmp_path):
    with pytest.raises(ValueError, match="format"):
        trained.export(tmp_path / "x", format="tflite")


@pytest.mark.parametrize("model", [
    LanguageModel(GRUCell(2), vocabulary_size=4), FeedForwardLanguageModel(order=3, embedding=2, units=2, vocabulary_size=4)
], ids=lambda model: type(model).__name__)
def test_what_keras_would_take_for_something_else_is_refused_in_a_sentence(model):
    ids, ragged = np.array([[0, 1, 2], [3, 2, 1]]), tf.ragged.constant([[0, 1], [2]])
    model.compile()
    with pytest.raises(ValueError, match="^class_weight: expected None.*Give sample_weight"):
        model.fit(ids, ids, class_weight={0: 2.0})
    for run in (model, lambda x: model.fit(x, x, verbose=0), lambda x: model.predict(x, verbose=0)):
        with pytest.raises(ValueError, match="token_ids: expected a dense tensor .* received a RaggedTensor. Cut text"):
            run(ragged)


@pytest.mark.parametrize(
    "options",
    [{"truncate": 3}, {"truncate": 3, "truncation": "randomized"}, {"checkpoint_steps": 2}, {"initializer": 0.5}],
    ids=str,
)
def test_options_of_the_recurrent_layers_act_and_are_saved(options, tmp_path):
    keras.utils.set_random_seed(0)
    model = LanguageModel([GRUCell(4), LSTMCell(4)], vocabulary_size=5, **options)
    for layer in model.recurrent_layers:
        for name, value in options.items():
            assert getattr(layer, name, value) == value
    model.save(tmp_path / "model.keras")
    for again in (keras.saving.load_model(tmp_path / "model.keras"), LanguageModel.from_config(model.get_config())):
        config = again.get_config()
        assert {name: config[name] for name in options} == options
    ids = np.array([[1, 2, 3, 4, 0, 1, 2]])
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(ids), model(ids))


def test_truncation_reaches_the_gradient():
    def gradient(**options):
        keras.utils.set_random_seed(0)
        model = LanguageModel(GRUCell(4), vocabulary_size=5, **options)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(np.array([[1, 2, 3, 4, 0, 1, 2]]), training=True)[:, -1] ** 2)
        return tape.gradient(loss, model.recurrent_layers[0].cell.recurrent_kernel).numpy()

    full = gradient()
    np.testing.assert_allclose(gradient(checkpoint_steps=3), full, rtol=1e-3, atol=1e-8)
    np.testing.assert_allclose(gradient(truncate=7), full, rtol=1e-3, atol=1e-8)
    assert np.linalg.norm(gradient(truncate=2) - full) > 0.1 * np.linalg.norm(full)


def _kernels(initializer, seed=1):
    keras.utils.set_random_seed(seed)
    cells = [LSTMCell(16), keras.layers.GRUCell(16)]
    configs = [cell.get_config() for cell in cells]
    model = LanguageModel(cells, vocabulary_size=9, initializer=initializer)
    assert [cell.get_config() for cell in model.cells] == configs  # the cells keep their own initializers
    return {weight.path.split("/", 1)[1]: weight.numpy() for weight in model.trainable_variables}


def test_one_argument_says_how_all_kernels_begin():
    own, smaller = _kernels(None), _kernels(0.5)
    normal = _kernels(keras.initializers.RandomNormal(stddev=0.01, seed=3))
    for (name, value), less, other in zip(own.items(), smaller.values(), normal.values()):
        if name.endswith("bias"):
            np.testing.assert_array_equal(value, less)
            np.testing.assert_array_equal(value, other)
        else:
            np.testing.assert_allclose(less, 0.5 * value, rtol=1e-6)
            assert np.std(other) == pytest.approx(0.01, rel=0.2)
    kernels = [value for name, value in normal.items() if value.shape == (16, 48)]
    assert len(kernels) == 2 and np.abs(kernels[0] - kernels[1]).max() > 0.01  # a seed is no reason to be alike
    assert len(own) == 9


@pytest.mark.parametrize("initializer", [0, -1.0, True, "none such", object(), float("nan")], ids=lambda value: type(value).__name__)
def test_what_is_no_beginning_is_refused(initializer):
    with pytest.raises(ValueError, match="initializer: expected a positive number, the gain of all kernels, or a Keras"):
        LanguageModel(GRUCell(4), vocabulary_size=5, initializer=initializer)


def test_a_gain_needs_new_cells_with_initializers():
    cell = GRUCell(4)
    cell.build((None, 4))
    with pytest.raises(ValueError, match="initializer: expected new cells that have a kernel_initializer; received one that is"):
        LanguageModel(cell, vocabulary_size=5, initializer=0.5)
