"""check_cell passes what is right and names what is wrong."""

import random

import keras
import numpy as np
import pytest
from reference import cells as reference
from testing import broken_cells

from kerasrnn.cells import (
    GRUCell,
    IndRNNCell,
    LayerNormLSTMCell,
    LSTMCell,
    MinGRUCell,
    RGLRUCell,
    SimpleRNNCell,
    SRUCell,
)
from kerasrnn.testing import CheckError, Report, check_cell
from kerasrnn.testing._subject import CellSubject
from kerasrnn.testing.cell import EXAMINATIONS


def by_name(equations, **options):
    """A reference of tests/reference as check_cell takes it: the output comes first, the states last."""

    def step(inputs, states, weights):
        results = equations(inputs, *states, **weights, **options)
        results = results if isinstance(results, tuple) else (results,)
        return results[0], list(results[-len(states) :])

    return step


CELLS = {
    "lstm": (LSTMCell(4), by_name(reference.lstm)),
    "lstm_peepholes": (LSTMCell(4, peepholes=True), by_name(reference.peephole_lstm)),
    "lstm_projection": (LSTMCell(4, projection=2), by_name(reference.projected_lstm)),
    "gru": (GRUCell(4, dropout=0.2), by_name(reference.gru, reset_after=True)),
    "gru_reset_before": (GRUCell(4, reset_after=False), by_name(reference.gru, reset_after=False)),
    "simple_rnn": (SimpleRNNCell(4, recurrent_dropout=0.3), by_name(reference.simple_rnn)),
    "layer_norm_lstm": (LayerNormLSTMCell(4), by_name(reference.layer_norm_lstm)),
    "ind_rnn": (IndRNNCell(4), by_name(reference.ind_rnn)),
    "sru": (SRUCell(4), by_name(reference.sru)),
    "min_gru": (MinGRUCell(4), by_name(reference.min_gru)),
    "rg_lru": (RGLRUCell(4), by_name(reference.rg_lru)),
    "keras_lstm": (keras.layers.LSTMCell(4), by_name(reference.lstm)),
}
QUICK = {"lstm", "gru", "rg_lru"}  # the equations of all are in cells_test.py, and quick
NOT_RUN = {
    "lstm": [],
    "lstm_peepholes": [],
    "lstm_projection": [],
    "simple_rnn": [],
    "gru_reset_before": ["additive", "loop", "empty"],
    "keras_lstm": ["additive", "loop", "empty"],
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in QUICK)) for n in CELLS])
def test_every_cell_passes(name):
    report = check_cell(*CELLS[name], verbose=False)
    not_run = [result.name for result in report.results if result.outcome == "not run"]
    assert not_run == NOT_RUN.get(name, ["additive"])
    assert [note for result in report.results for note in result.notes] == []


def fails(cell, equations, names):
    """Those of the examinations of these names that fail."""
    subject = CellSubject(cell, equations, 3, 3, 6, 0)
    return [each.name for each in EXAMINATIONS if each.name in names and each.run(subject)[0].outcome == "failed"]


QUICK = ("contract", "equations", "rows", "additive", "dropout", "configuration")


@pytest.mark.parametrize("name", broken_cells.CELLS)
def test_each_mistake_is_found_by_its_examination(name):
    cls, examination = broken_cells.CELLS[name]
    cell = cls(4, sharpness=1.5) if "sharpness" in cls.__init__.__code__.co_varnames else cls(4)
    equations = broken_cells.elman if examination == "equations" else None
    assert examination in fails(cell, equations, (*QUICK, examination))


@pytest.mark.parametrize("cls", [broken_cells.AnotherFunction, broken_cells.NotAdditive, broken_cells.DropsAtInference])
def test_a_mistake_of_one_kind_is_found_by_no_other_quick_examination(cls):
    assert len(fails(cls(4), broken_cells.elman if issubclass(cls, broken_cells.AnotherFunction) else None, QUICK)) == 1


def test_an_error_lists_every_failure_and_all_examinations_run(capsys):
    class TwiceWrong(broken_cells.Elman):
        additive = True

        def spoilt(self, h, x, states):
            return h * keras.ops.sigmoid(x) - keras.ops.mean(h, axis=0, keepdims=True)

    with pytest.raises(CheckError) as caught:
        check_cell(TwiceWrong(4), broken_cells.elman)
    report, words = caught.value.report, str(caught.value)
    assert [result.name for result in report.results] == [each.name for each in EXAMINATIONS]
    assert {"equations", "rows", "additive"} <= {result.name for result in report.failed}
    assert report["gradients"].outcome == "passed"
    for result in report.failed:
        assert f"{result.name}: {result.description}" in words
        assert result.failures[0].remedy in words
    assert "output at [" in words and "expected: " in words and "largest difference" in words
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "TwiceWrong" and printed[-1] == report.summary()
    assert [line.split()[0] for line in printed[2:-1] if "note" not in line] == [each.name for each in EXAMINATIONS]


def test_an_exception_names_the_line_of_the_user_s_code():
    class Raises(broken_cells.Elman):
        def spoilt(self, h, x, states):
            raise ZeroDivisionError("no such thing")

    with pytest.raises(CheckError, match="ZeroDivisionError: .*no such thing.*cell_test.py, line .*, in spoilt") as caught:
        check_cell(Raises(4), verbose=False)
    assert isinstance(caught.value.__cause__, Exception)
    assert "Mend the contract first" in str(caught.value)


def test_a_configuration_that_makes_no_copy_is_the_one_failure():
    with pytest.raises(CheckError) as caught:
        check_cell(broken_cells.ForgetsAnArgumentThatItNeeds(4, sharpness=1.5), verbose=False)
    outcomes = {result.name: result.outcome for result in caught.value.report.results}
    assert [name for name, outcome in outcomes.items() if outcome == "failed"] == ["configuration"]
    assert {outcome for name, outcome in outcomes.items() if name != "configuration"} == {"not run"}


def test_notes_and_the_table():
    class Sums(broken_cells.Elman):
        def build_pointwise(self):
            super().build_pointwise()
            self.unused = self.add_weight(shape=(1,), name="unused")

    report = check_cell(Sums(4), verbose=False)
    assert isinstance(report, Report) and not report.failed
    table = str(report)
    assert "note (additive): pointwise sees only x + h" in table
    assert "note (gradients): weight unused has no influence" in table
    assert "note (saving): decorate Sums with @keras.saving.register_keras_serializable()" in table
    assert "equations       not run" in table and "no reference was given" in table
    assert report["gradients"].difference < report["gradients"].tolerance == 1e-6
    with pytest.raises(KeyError, match="expected one of"):
        report["nonsense"]


def test_a_cell_that_is_random_in_training_is_examined_at_inference():
    class Noisy(broken_cells.Elman):
        def call(self, inputs, states, training=False):
            output, states = super().call(inputs, states, training=training)
            if training:
                output += keras.random.normal(keras.ops.shape(output), dtype=output.dtype)
            return output, states

        @property
        def has_one_recurrent_product(self):
            return False

    assert fails(Noisy(4), None, ("gradients", "runs", "precision")) == []


@pytest.mark.parametrize(
    "returned", [None, 3.0, (np.zeros((3, 4)),), (np.zeros((3, 4)), []), (np.zeros((1, 1)), [np.zeros((3, 4))])]
)
def test_a_reference_that_is_wrong_itself_is_named(returned):
    subject = CellSubject(broken_cells.Elman(4), lambda *arguments: returned, 3, 3, 6, 0)
    result, _ = next(each for each in EXAMINATIONS if each.name == "equations").run(subject)
    assert result.outcome == "failed"
    assert "reference" in str(result.failures[0])


def test_the_cell_and_the_random_generators_stay_as_they_are():
    cell = keras.layers.SimpleRNNCell(4, dropout=0.1)
    cell.build((2, 3))
    weights, config = cell.get_weights(), cell.get_config()
    numpy_state, python_state = np.random.get_state()[1].copy(), random.getstate()
    check_cell(cell, verbose=False)
    assert cell.get_config() == config
    for before, after in zip(weights, cell.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
    assert random.getstate() == python_state


def test_wrong_arguments_are_named():
    with pytest.raises(TypeError, match="cell: expected an instance of a Keras layer"):
        check_cell(LSTMCell)
    for name, value in (("features", 0), ("batch_size", 1), ("num_steps", 2), ("num_steps", 4.5)):
        with pytest.raises(ValueError, match=f"{name}: expected an integer of at least"):
            check_cell(LSTMCell(2), **{name: value})
