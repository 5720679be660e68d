"""A SavedModel in a process of plain TensorFlow, where Keras and our own classes are not to be had: as a server runs it."""

import importlib.util
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kerasrnn.export.writers._ops import text_libraries

_PROGRAM = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.modules["keras"] = None
import pickle
import tensorflow as tf

answers = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # whatever else prints does not reach the pipe
for library in sys.argv[2:]:
    tf.load_op_library(library)
loaded = tf.saved_model.load(sys.argv[1])
specs = {name: f.structured_input_signature[1] for name, f in loaded.signatures.items()}
answer = {
    name: {
        "inputs": {n: (s.dtype.name, s.shape.as_list()) for n, s in specs[name].items()},
        "outputs": sorted(loaded.signatures[name].structured_outputs),
    }
    for name in specs
}
while True:
    pickle.dump(answer, answers)
    answers.flush()
    try:
        name, inputs = pickle.load(sys.stdin.buffer)
    except EOFError:
        break
    try:
        tensors = {k: tf.constant(v, specs[name][k].dtype) for k, v in inputs.items()}
        answer = {k: v.numpy() for k, v in loaded.signatures[name](**tensors).items()}
    except tf.errors.OpError as error:
        answer = str(error)
"""


class PlainTensorFlow:
    """The process, and what the SavedModel offers there; `interface` is as in `verify_interface`."""

    def __init__(self, process: Any, errors: Any) -> None:
        self._process, self._errors = process, errors
        self.interface: dict[str, Any] = self._receive()

    def call(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Named arrays in, named arrays out (strings as bytes).

        Raises:
            RuntimeError: TensorFlow's error.
        """
        pickle.dump((signature, inputs), self._process.stdin)
        self._process.stdin.flush()
        answer = self._receive()
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer

    def _receive(self) -> Any:
        try:
            return pickle.load(self._process.stdout)
        except EOFError:
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace")
            raise RuntimeError(f"plain TensorFlow could not load or run the model:\n{said}") from None


@contextmanager
def plain_tensorflow(folder: Path) -> Iterator[PlainTensorFlow]:
    """Loads a SavedModel in a process of its own, which ends with the block."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", _PROGRAM, str(folder), *_libraries(folder)]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        try:
            yield PlainTensorFlow(process, errors)
        finally:
            process.kill()
            process.communicate()


def _libraries(folder: Path) -> list[str]:
    """Paths of what the model needs of tensorflow_text, whose own import needs Keras, as a server does not."""
    needed = text_libraries(folder)
    found = importlib.util.find_spec("tensorflow_text") if needed else None
    if needed and (found is None or found.origin is None):
        raise ImportError("The model holds operations of tensorflow-text. Install it: pip install tensorflow-text")
    return [str(Path(found.origin).parent / "python" / "ops" / name) for name in needed]
