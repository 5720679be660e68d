"""With another Keras backend, kerasrnn says at once what is wrong and what to do; what needs no Keras still works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import kerasrnn

PACKAGES = ["cells", "data", "layers", "metrics", "models", "samplers", "scan", "tokenizers", "training"]

PROGRAM = """
import importlib, json, sys
import kerasrnn, kerasrnn.export.runtime
messages = {}
for package in sys.argv[1:]:
    try:
        importlib.import_module(f"kerasrnn.{package}")
    except ImportError as error:
        messages[package] = str(error)
print(json.dumps(messages))
"""


def test_another_backend_is_a_clear_error():
    folder = Path(kerasrnn.__file__).parent
    packages = [package for package in PACKAGES if (folder / package / "__init__.py").read_text().strip()]
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *packages],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    messages = json.loads(run.stdout)
    unclear = {p for p in packages if not all(w in messages.get(p, "") for w in ("'jax'", "KERAS_BACKEND=tensorflow"))}
    assert not unclear, messages
