"""`kerasrnn diagnose`: of a run, its figures and its picture."""

import json

import keras
import numpy as np
import pytest
from cli.commands import invoke, succeed

from kerasrnn import diagnostics
from kerasrnn.training import RunFolder

TINY = "--cell gru --units 8 --layers 2 --epochs 1 --batch-size 8 --num-steps 16".split()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diagnose")
    (folder / "corpus.txt").write_text("call me ishmael — some years ago " * 200)
    keras.utils.set_random_seed(0)
    succeed("train", folder / "corpus.txt", "--out", folder / "run", *TINY)
    return folder / "run"


def test_figures_are_those_of_the_library(run, tmp_path):
    shown = succeed("diagnose", run, "--out", tmp_path / "flow.png", "--json", tmp_path / "flow.json", "--rows", "3")
    assert "rnn_0" in shown and "rnn_1" in shown and "3 windows of 16 steps" in shown and "of steps are clipped" in shown
    assert (tmp_path / "flow.png").read_bytes().startswith(b"\x89PNG")
    figures = json.loads((tmp_path / "flow.json").read_text())
    assert figures["verdict"] in shown
    folder = RunFolder(run)
    model = folder.load_model()
    ids = model.tokenizer.tokenize(folder.load_corpus().validation).numpy()[: 8 * 16 + 1]
    batch = ids[:-1].reshape(8, 16), ids[1:].reshape(8, 16)
    expected = diagnostics.diagnose(model, batch, rows=3).figures()
    for name in ("half_life/rnn_0", "remaining/rnn_1", "spectral_radius/rnn_0"):
        np.testing.assert_allclose(figures[name], expected[name], rtol=1e-4)


def test_windows_of_another_length(run):
    assert "8 windows of 5 steps" in succeed("diagnose", run, "--num-steps", "5")


@pytest.mark.parametrize(
    ("where", "arguments", "words"),
    [("tmp_path", "", ["RUN: expected a folder that kerasrnn train wrote"]),
     ("run", "--num-steps 100000", ["too few", "--num-steps"]),
     ("run", "--num-steps 1", ["--num-steps"]),
     ("run", "--out flow.xyz", ["--out", "png"])],
)  # fmt: skip
def test_bad_input_is_named(request, where, arguments, words):
    result = invoke("diagnose", request.getfixturevalue(where), *arguments.split())
    assert result.exit_code == 2 and all(word in result.stderr for word in words), result.stderr
