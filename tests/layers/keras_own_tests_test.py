"""Keras's own tests of its recurrent layers, with our cells and layers in place of Keras's."""

import re
import subprocess
import sys
from pathlib import Path

import keras

PROGRAM = """
import sys
import keras.src.layers as theirs
import pytest
import kerasrnn
for name in ("RNN", "LSTM", "GRU", "SimpleRNN"):
    setattr(theirs, name, getattr(kerasrnn.layers, name))
for name in ("LSTMCell", "GRUCell", "SimpleRNNCell"):
    setattr(theirs, name, getattr(kerasrnn.cells, name))
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", "/dev/null", *sys.argv[1:]]))
"""
NAMES = ["rnn", "lstm", "gru", "simple_rnn", "stacked_rnn_cells", "bidirectional", "dropout_rnn_cell"]


def test_all_of_keras_s_tests_pass(tmp_path):
    folder = Path(keras.__file__).parent / "src" / "layers" / "rnn"
    files = [str(folder / f"{name}_test.py") for name in NAMES]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *files], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:]
    # As many as pass with Keras's own layers; the skipped ones need a GPU or another backend.
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 53, done.stdout[-500:]
