"""States carried from batch to batch under plain fit: they flow, are cut, begin anew, and are nobody else's."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.cells import GRUCell, LSTMCell
from kerasrnn.data import document_streams, language_model_dataset
from kerasrnn.models import CarriedStates, LanguageModel

BATCH, LENGTH, VOCABULARY = 4, 48, 9
TOKEN_IDS = np.random.default_rng(0).integers(0, VOCABULARY, BATCH * LENGTH + 1)
OTHERS = np.random.default_rng(1).integers(0, VOCABULARY, 3 * LENGTH + 1)
DOCUMENTS = [np.random.default_rng(n).integers(0, VOCABULARY, n) for n in (7, 3, 12, 5, 9, 2, 30, 4)]


def streams(num_steps, token_ids=TOKEN_IDS, batch_size=BATCH):
    return language_model_dataset(token_ids, None, batch_size, num_steps, shuffle=False, contiguous=True)


def new_model(optimizer=None, stateful=True, dtype=None, cells=None, layers=1, compiled=None, **options):
    """Its weights are large, so that what came long ago matters."""
    keras.utils.set_random_seed(3)
    cells = cells or [LSTMCell(6, dtype=dtype), GRUCell(5, dtype=dtype)][:layers]
    model = LanguageModel(cells, vocabulary_size=VOCABULARY, stateful=stateful, dtype=dtype, **options)
    for weight in model.trainable_weights:
        weight.assign(4 * weight)
    model.compile(optimizer or keras.optimizers.SGD(0.0), **(compiled or {}))
    return model


def loss_of(model, token_ids, batch_size=BATCH):
    """Of rows as long as they are, from zero states: one long window."""
    rows = len(token_ids[:-1]) // batch_size
    inputs, targets = (ids[: batch_size * rows].reshape(batch_size, rows) for ids in (token_ids, token_ids[1:]))
    return float(tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(targets, model(inputs), from_logits=True)))


def weights_of(model):
    return np.concatenate([np.ravel(weight) for weight in model.get_weights()])


@pytest.mark.parametrize(
    "compiled",
    [{"steps_per_execution": 5}, {"jit_compile": True}, *(pytest.param(compiled, marks=pytest.mark.slow) for compiled in
     [{}, {"run_eagerly": True}, {"jit_compile": True, "steps_per_execution": 5}])],
    ids=str,
)  # fmt: skip
def test_one_long_window_and_many_short_ones_have_the_same_losses(compiled):
    model = new_model(compiled=compiled)
    history = model.fit(streams(4), epochs=2, validation_data=streams(6, OTHERS, 3), verbose=0).history
    np.testing.assert_allclose(history["loss"], loss_of(model, TOKEN_IDS), rtol=1e-6)
    np.testing.assert_allclose(history["val_loss"], loss_of(model, OTHERS, 3), rtol=1e-6)
    assert model.fit(streams(LENGTH), verbose=0).history["loss"][0] == pytest.approx(history["loss"][0], rel=1e-6)
    assert abs(loss_of(model, TOKEN_IDS, BATCH * 12) - history["loss"][0]) > 1e-2  # each window from zero states


@pytest.mark.parametrize("dtype", [pytest.param("mixed_bfloat16", marks=pytest.mark.slow), "mixed_float16"])
@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_mixed_precision_carries_what_it_computes(dtype, jit_compile):
    policy = keras.DTypePolicy(dtype)
    model = new_model(keras.optimizers.Adam(0.01), dtype=policy, compiled={"jit_compile": jit_compile})
    short = new_model(dtype=policy).fit(streams(4), verbose=0).history["loss"][0]
    assert short == pytest.approx(loss_of(model, TOKEN_IDS), rel=1e-3)
    losses = model.fit(streams(4), epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    states = model.carried_states.get()
    assert all(np.asarray(state, np.float32).any() and np.isfinite(state).all() for state in states.values())
    model.carried_states.set(states)
    for name, state in model.carried_states.get().items():
        np.testing.assert_array_equal(state, states[name])


def test_gradients_stop_at_the_cut():
    carried, by_hand = (new_model(keras.optimizers.SGD(0.5), layers=2) for _ in range(2))
    carried.fit(streams(6), epochs=2, verbose=0)
    loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for _ in range(2):
        states = by_hand.get_initial_state(BATCH)
        for token_ids, targets in streams(6):
            with tf.GradientTape() as tape:
                logits, states = by_hand(token_ids, initial_state=states, return_state=True, training=True)
                loss = loss_function(targets, logits)
            states = [tf.stop_gradient(state) for state in states]
            weights = by_hand.trainable_weights
            by_hand.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
    np.testing.assert_allclose(weights_of(carried), weights_of(by_hand), atol=2e-6)
    for state, name in zip(states, by_hand.state_names):
        np.testing.assert_allclose(carried.carried_states.get()[name], state, atol=1e-5)


class InBetween(keras.callbacks.Callback):
    """Does with the model whatever else one does, in the middle of an epoch."""

    def on_train_batch_end(self, batch, logs=None):
        token_ids, targets = next(iter(streams(6, OTHERS, 3)))
        self.model.predict(token_ids, verbose=0)
        self.model(token_ids, training=True)
        self.model.evaluate(streams(6, OTHERS, 3), verbose=0)
        self.model.test_on_batch(token_ids, targets)


def test_training_does_not_notice_what_else_is_done_with_the_model():
    alone, disturbed = new_model(keras.optimizers.Adam(0.01)), new_model(keras.optimizers.Adam(0.01))
    alone.fit(streams(12), epochs=2, verbose=0)
    disturbed.fit(streams(12), epochs=2, validation_data=streams(6, OTHERS, 3), callbacks=InBetween(), verbose=0)
    np.testing.assert_array_equal(weights_of(alone), weights_of(disturbed))


def test_evaluation_has_states_of_its_own_and_predict_none():
    model = new_model()
    model.fit(streams(4), verbose=0)
    expected = loss_of(model, OTHERS, 3)
    for num_steps in (4, 6, 6):
        assert model.evaluate(streams(num_steps, OTHERS, 3), verbose=0)[0] == pytest.approx(expected, rel=1e-6)
    token_ids = TOKEN_IDS[:24].reshape(6, 4)
    np.testing.assert_allclose(model.predict(token_ids, batch_size=4, verbose=0), model(token_ids), atol=1e-5)


def test_each_epoch_begins_anew_and_so_does_a_loop_that_resets():
    model, one_fit = new_model(keras.optimizers.SGD(0.1)), new_model(keras.optimizers.SGD(0.1))
    one_fit.fit(streams(6), epochs=3, verbose=0)
    model.fit(streams(6), epochs=1, verbose=0)
    model.fit(streams(6), epochs=2, initial_epoch=1, verbose=0)
    model.reset_states()
    for token_ids, targets in streams(6):
        model.train_on_batch(token_ids, targets)
    np.testing.assert_allclose(weights_of(model), weights_of(one_fit), atol=1e-6)


def document_loss(model, documents):
    total, count = 0.0, 0
    for document in documents:
        losses = keras.losses.sparse_categorical_crossentropy(document[1:], model(document[None, :-1])[0], from_logits=True)
        total, count = total + float(tf.reduce_sum(losses)), count + len(losses)
    return total / count


@pytest.mark.parametrize(("align", "num_steps"), [(True, 6), (False, 6), (False, 1)])
def test_documents_in_streams_are_as_documents_one_by_one(align, num_steps):
    model = new_model()
    expected = np.exp(document_loss(model, DOCUMENTS))
    data = document_streams(DOCUMENTS, batch_size=1, num_steps=num_steps, shuffle=False, align=align)
    assert model.fit(data, verbose=0).history["perplexity"][0] == pytest.approx(expected, rel=1e-5)
    assert model.evaluate(data, verbose=0)[1] == pytest.approx(expected, rel=1e-5)


@pytest.fixture(scope="module")
def two_layers():
    return new_model(layers=2)


@settings(max_examples=8, deadline=None)
@given(marks=st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=2, max_size=2))
def test_marks_in_any_column_are_as_rows_cut_there(two_layers, marks):
    model, token_ids, marks = two_layers, TOKEN_IDS[:10].reshape(2, 5), np.array(marks)
    before = [tf.cos(tf.reshape(tf.range(2.0 * s.shape[-1]), (2, -1))) for s in model.get_initial_state(1)]
    logits, states = model({"token_ids": token_ids, "resets": marks}, initial_state=before, return_state=True)
    for row in range(2):
        row_states, expected = [state[row : row + 1] for state in before], []
        for t in range(5):
            row_states = model.get_initial_state(1) if marks[row, t] else row_states
            output, row_states = model(token_ids[row : row + 1, t : t + 1], initial_state=row_states, return_state=True)
            expected.append(output[0, 0])
        np.testing.assert_allclose(logits[row], expected, atol=1e-5)
        for state, row_state in zip(states, row_states, strict=True):
            np.testing.assert_allclose(state[row], row_state[0], atol=1e-5)


def gradient_of_documents(compiled):
    model = new_model(keras.optimizers.SGD(0.5), compiled=compiled)
    model.fit(document_streams(DOCUMENTS, batch_size=2, num_steps=6, seed=1), verbose=0)
    return weights_of(model)


@pytest.mark.parametrize(
    "compiled", [{"steps_per_execution": 4}, pytest.param({"jit_compile": True}, marks=pytest.mark.slow)], ids=str
)
def test_gradients_across_marks_are_the_same_however_they_run(compiled):
    eager = gradient_of_documents({"run_eagerly": True})
    np.testing.assert_allclose(gradient_of_documents(compiled), eager, atol=1e-5)


def test_dropout_and_marks_go_together():
    cells = LSTMCell(6, dropout=0.2, recurrent_dropout=0.2)
    model = new_model(keras.optimizers.Adam(0.02), cells=cells, dropout=0.1)
    losses = model.fit(document_streams(DOCUMENTS, batch_size=2, num_steps=6, seed=1), epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_a_run_resumes_in_the_middle_of_an_epoch(tmp_path):
    whole = new_model(keras.optimizers.Adam(0.02))
    whole.fit(streams(6), epochs=2, verbose=0)
    first = new_model(keras.optimizers.Adam(0.02))
    first.fit(streams(6), verbose=0)
    first.fit(streams(6).take(3), initial_epoch=1, epochs=2, verbose=0)
    np.savez(tmp_path / "states.npz", **first.carried_states.get())
    first.save(tmp_path / "model.keras")
    second = keras.models.load_model(tmp_path / "model.keras")
    second.carried_states.set(np.load(tmp_path / "states.npz"))
    second.fit(streams(6).skip(3), initial_epoch=1, epochs=2, verbose=0)
    np.testing.assert_allclose(weights_of(second), weights_of(whole), atol=1e-6)
    second.fit(streams(6), verbose=0)
    whole.fit(streams(6), verbose=0)
    np.testing.assert_allclose(weights_of(second), weights_of(whole), atol=1e-6)  # the next epoch began anew


def test_states_are_no_weights_and_in_no_file(tmp_path):
    stateful, stateless = new_model(), new_model(stateful=False)
    stateful.fit(streams(4), verbose=0)
    stateless.fit(streams(4), verbose=0)
    assert [w.shape for w in stateful.variables] == [w.shape for w in stateless.variables]
    assert stateful.count_params() == stateless.count_params()
    stateful.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.stateful
    assert loaded.carried_states.get() == {}
    assert loaded.evaluate(streams(4), verbose=0) == stateful.evaluate(streams(4), verbose=0)
    config = stateful.get_config()
    del config["stateful"]
    assert not LanguageModel.from_config(config).stateful


def test_another_batch_size_is_refused_until_the_next_pass():
    model, token_ids = new_model(), TOKEN_IDS[:55].reshape(11, 5)
    inputs, targets = token_ids[:, :-1], token_ids[:, 1:]
    for run in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"stateful=True: expected a batch of 4 rows.*drop_remainder"):
            run(inputs, targets, batch_size=4, verbose=0)
    model.reset_states()
    model.train_on_batch(inputs[:4], targets[:4])
    with pytest.raises(ValueError, match="expected a batch of 4 rows.* reset_states"):
        model.train_on_batch(inputs[:3], targets[:3])
    model.fit(inputs, targets, batch_size=11, verbose=0)
    assert model.carried_states.rows == 11
    model.reset_states()
    model.train_on_batch(inputs[:2], targets[:2])
    assert model.carried_states.rows == 2


def test_arrays_keep_their_order():
    model, (inputs, targets) = new_model(), zip(*streams(4).as_numpy_iterator())
    arrays = np.concatenate(inputs), np.concatenate(targets)
    losses = model.fit(*arrays, batch_size=BATCH, verbose=0).history["loss"]
    assert losses == pytest.approx([loss_of(model, TOKEN_IDS)], rel=1e-6)
    with pytest.raises(ValueError, match="shuffle: expected False"):
        model.fit(*arrays, batch_size=BATCH, shuffle=True, verbose=0)


def test_exported_models_carry_nothing(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model = new_model()
    model.fit(streams(4), verbose=0)
    model.export(tmp_path / "onnx", format="onnx")
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "forward.onnx")
    token_ids = TOKEN_IDS[:8].reshape(2, 4).astype("int32")
    for _ in range(2):
        np.testing.assert_allclose(session.run(None, {"token_ids": token_ids})[0], model(token_ids), atol=1e-5)


@pytest.mark.parametrize(
    ("states", "message"),
    [({"h": np.zeros((2, 3))}, r"expected \['state_0_h'\].*received \['h'\]"),
     ({"state_0_h": np.zeros((2, 4))}, r"state_0_h of shape \(2, 3\).*\(2, 4\)"), ({"state_0_h": 1.0}, "shape"), ({"state_0_h": [["a"] * 3]}, "numbers for state_0_h; received <U1"),
     ({"state_0_h": [[None] * 3]}, "numbers for state_0_h"), ({"state_0_h": [[1], [2, 3]]}, "shape"),
     ({"state_0_h": [[1e300] * 3]}, "numbers for state_0_h that float32 holds")],
    ids=["name", "width", "scalar", "strings", "objects", "ragged", "large"],
)  # fmt: skip
def test_states_of_another_model_are_refused(states, message):
    carried = CarriedStates(["state_0_h"], lambda rows: [tf.zeros((rows, 3))])
    with pytest.raises(ValueError, match=message):
        carried.set(states)
    assert carried.get() == {}


class Replicas:
    """A strategy of two replicas whose variables hold a value for each, as those of tf.distribute do."""

    num_replicas_in_sync = 2

    def scope(self):
        return contextlib.nullcontext()

    def experimental_local_results(self, variable):
        self.__dict__.setdefault(id(variable), [variable, tf.Variable(variable)])
        return self.__dict__[id(variable)]


def test_replicas_carry_their_own_rows():
    carried = CarriedStates(["h"], lambda rows: [tf.zeros((rows, 3))], Replicas())
    states = {"h": np.arange(12, dtype="float32").reshape(4, 3)}
    carried.set(states)
    assert carried.rows == 4
    np.testing.assert_array_equal(carried.get()["h"], states["h"])
    token_ids, (of_first,) = carried.before(tf.zeros((2, 5), tf.int32))
    np.testing.assert_array_equal(of_first, states["h"][:2])
    with pytest.raises(ValueError, match="expected a batch of 4 rows.*received one of 6"):
        carried.before(tf.zeros((3, 5), tf.int32))
    with pytest.raises(ValueError, match="2 replicas can share equally; received 3"):
        carried.set({"h": np.zeros((3, 3), "float32")})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [({"ids": np.zeros((1, 2), int)}, "received a dictionary of.*'ids'"),
     ({"token_ids": np.zeros((1, 2), int), "resets": np.zeros((1, 3), bool)}, "resets: expected the shape of token_ids")],
    ids=["keys", "shape"],
)  # fmt: skip
def test_bad_inputs_are_refused(inputs, message):
    with pytest.raises(ValueError, match=message):
        new_model()(inputs)
