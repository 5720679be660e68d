"""Every cell against numbers that were committed, so that no change of code or versions goes unseen."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from goldens import make

from kerasrnn import cells
from kerasrnn.layers import RNN

FOLDER = Path(__file__).parent
BASES = ("Cell", "LinearCell")


def golden(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def numbers(part):
    return [np.asarray(leaf) for leaf in keras.tree.flatten(part) if isinstance(leaf, float)]


@pytest.mark.parametrize("layer_class", [RNN, keras.layers.RNN], ids=["scan", "loop"])
@pytest.mark.parametrize("name", make.GOLDENS)
def test_layer_gives_the_golden_numbers(name, layer_class):
    expected = golden(name)
    cell = getattr(cells, expected["cell"])(**expected["arguments"], dtype="float64")
    layer = layer_class(cell, return_sequences=True, return_state=True, dtype="float64")
    inputs = np.array(expected["inputs"])
    layer.build(inputs.shape)
    assert {w.name for w in layer.weights} == expected["weights"].keys()
    for weight in layer.weights:
        weight.assign(np.array(expected["weights"][weight.name]))
    outputs, *states = layer(inputs, initial_state=[np.array(s) for s in expected["initial_states"]])
    np.testing.assert_allclose(outputs, expected["outputs"], rtol=0, atol=1e-12)
    for ours, theirs in zip(states, expected["last_states"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", make.GOLDENS)
def test_made_anew_it_is_the_same(name):
    made, committed = make.make(name), golden(name)
    assert made.keys() == committed.keys()
    assert (made["cell"], made["arguments"]) == (committed["cell"], committed["arguments"])
    for ours, theirs in zip(numbers(made), numbers(committed), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", make.GOLDENS)
def test_no_two_numbers_are_alike(name):
    given = numbers([golden(name)[part] for part in ("weights", "inputs", "initial_states")])
    assert len({float(n) for n in given}) == len(given)


def test_every_cell_has_a_golden_and_every_golden_a_maker():
    exported = {n for n in cells.__all__ if n not in BASES and issubclass(getattr(cells, n), cells.Cell)}
    assert {golden(name)["cell"] for name in make.GOLDENS} == exported
    assert {path.stem for path in FOLDER.glob("*.json")} == {*make.GOLDENS}
