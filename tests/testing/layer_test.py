"""check_layer passes what is right and names what is wrong."""

import keras
import pytest
import tensorflow as tf

from kerasrnn.cells import GRUCell, LSTMCell, MinGRUCell, SimpleRNNCell
from kerasrnn.layers import GRU, LSTM, RNN, SimpleRNN
from kerasrnn.testing import CheckError, check_layer
from kerasrnn.testing._subject import LayerSubject
from kerasrnn.testing.layer import EXAMINATIONS


class Residual(RNN):
    """Adds what it read: as wide as its inputs."""

    def call(self, sequences, initial_state=None, mask=None, training=False):
        outputs, *states = keras.tree.flatten(super().call(sequences, initial_state, mask, training))
        sequences = tf.reverse(sequences, [1]) if self.go_backwards else sequences
        outputs += sequences if self.return_sequences else sequences[:, -1]
        return (outputs, *states) if states else outputs


LAYERS = {
    "lstm": (LSTM(4), keras.layers.LSTM(4)),
    "gru": (GRU(4, return_sequences=True), keras.layers.GRU(4)),
    "gru_reset_before": (GRU(4, reset_after=False), keras.layers.GRU(4, reset_after=False)),
    "simple_rnn": (SimpleRNN(4, go_backwards=True), keras.layers.SimpleRNN(4, go_backwards=True)),
    "options": (RNN(GRUCell(4, dropout=0.2), stateful=True, zoneout=0.1, weight_drop=0.1, truncate=3, seed=1), None),
    "recomputed": (RNN(LSTMCell(4, peepholes=True), checkpoint_steps=2, go_backwards=True), None),
    "stack": (RNN([LSTMCell(4), GRUCell(3)]), None),
    "trained_states": (RNN(LSTMCell(4), trainable_initial_state=True), None),
    "unrolled": (RNN(MinGRUCell(4), unroll=True), None),
    "keras_lstm": (keras.layers.LSTM(4), None),
    "residual": (Residual(SimpleRNNCell(3)), None),
}
SLOW = {"gru", "gru_reset_before", "recomputed", "residual", "simple_rnn", "stack", "trained_states"}
KERAS_LOOP = {"loop", "empty"}
NOT_RUN = {
    "gru_reset_before": KERAS_LOOP,
    "unrolled": KERAS_LOOP,
    "keras_lstm": KERAS_LOOP,
    "stack": KERAS_LOOP | {"stateful"},
    "trained_states": {"stateful"},
    "residual": {"loop"},
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in LAYERS])
def test_every_layer_passes(name):
    layer, reference = LAYERS[name]
    report = check_layer(layer, reference, verbose=False)
    not_run = {result.name for result in report.results if result.outcome == "not run"}
    assert not_run == NOT_RUN.get(name, set()) | ({"reference_layer"} if reference is None else set())


def fails(layer, *names, reference=None):
    subject = LayerSubject(layer, 3, 3, 6, 0, reference)
    return [each.name for each in EXAMINATIONS if each.name in names and each.run(subject)[0].outcome == "failed"]


class Wide(RNN):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        output, *states = keras.tree.flatten(super().call(sequences, initial_state, mask, training))
        output = tf.concat([output, output], axis=-1)
        return (output, *states) if states else output


class NeedsTheBatchSize(RNN):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        return super().call(sequences + tf.zeros((3, *sequences.shape[1:]), sequences.dtype), initial_state, mask, training)


class IgnoresMask(RNN):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        return super().call(sequences, initial_state, None, training)


class TakesNoMask(RNN):
    def call(self, sequences, initial_state=None, training=False):
        return super().call(sequences, initial_state, None, training)


class StartsAnew(RNN):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        if initial_state is None:
            initial_state = self.get_initial_state(tf.shape(sequences)[0])
        return super().call(sequences, initial_state, mask, training)


class NeverResets(RNN):
    def reset_state(self):
        pass


class TurnsRound(RNN):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        outputs = super().call(sequences, initial_state, mask, training)
        return tf.reverse(outputs, [1]) if self.go_backwards and self.return_sequences else outputs


class FailsInTraining(RNN):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        return super().call(sequences + (float("nan") if training else 0.0), initial_state, mask, training)


class AnotherLoop(RNN):
    def _scan(self, sequences, *arguments):
        return super()._scan(1.01 * sequences, *arguments)


class Forgets(RNN):
    def __init__(self, cell, twice=False, **kwargs):
        super().__init__(cell, **kwargs)
        self.twice = twice


@pytest.mark.parametrize(
    ("cls", "examination"),
    [(Wide, "shapes"), (NeedsTheBatchSize, "rows"), (IgnoresMask, "masks"), (TakesNoMask, "models"),
     (StartsAnew, "stateful"), (NeverResets, "stateful"), (TurnsRound, "bidirectional"), (FailsInTraining, "fit"), (AnotherLoop, "loop"),
     (Forgets, "configuration")],
)  # fmt: skip
def test_each_mistake_is_found_by_its_examination(cls, examination):
    layer = cls(SimpleRNNCell(4))
    assert fails(layer, examination) == [examination]
    assert fails(RNN(SimpleRNNCell(4)), examination) == []


@pytest.mark.parametrize("reference", [
    keras.layers.SimpleRNN(4, activation="relu"), keras.layers.SimpleRNN(5), keras.layers.GRU(4), keras.layers.LSTM(4),
])  # fmt: skip
def test_another_reference_layer_is_found_to_be_another(reference):
    assert fails(SimpleRNN(4), "reference_layer", reference=reference) == ["reference_layer"]
    assert fails(SimpleRNN(4), "reference_layer", reference=keras.layers.SimpleRNN(4)) == []


def test_an_error_lists_every_failure(capsys):
    with pytest.raises(CheckError, match="masks: a masked step is as if it were not there") as caught:
        check_layer(IgnoresMask(keras.layers.SimpleRNNCell(4)))
    assert [result.name for result in caught.value.report.failed] == ["masks"]
    assert "IgnoresMask(SimpleRNNCell): " in capsys.readouterr().out


def test_wrong_arguments_are_named():
    with pytest.raises(TypeError, match="^layer: expected an instance of keras.layers.RNN"):
        check_layer(keras.layers.Dense(3))
    with pytest.raises(TypeError, match="^reference_layer: expected an instance of keras.layers.RNN"):
        check_layer(LSTM(3), keras.layers.LSTM)
