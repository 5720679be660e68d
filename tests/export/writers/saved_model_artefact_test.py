"""The SavedModel artefact in a process of plain TensorFlow, and its version folders."""

import json
import subprocess
import sys

import pytest

from kerasrnn.export.writers import saved_model_artefact
from kerasrnn.export.writers._verification import ParityError


def test_plain_tensorflow_serves_every_signature(saved_model_folder, expected):
    program = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.modules["keras"] = sys.modules["kerasrnn"] = None
import numpy as np, tensorflow as tf
expected = np.load(sys.argv[2])
ids = tf.constant(expected["token_ids"])
loaded = tf.saved_model.load(sys.argv[1])
assert sorted(loaded.signatures) == ["forward", "serving_default", "step"], list(loaded.signatures)
names = ["state_0_h", "state_0_c", "state_1_h", "state_2_h"]
errors = []
for name in ("forward", "serving_default"):
    outputs = loaded.signatures[name](token_ids=ids)
    assert list(outputs) == ["logits"]
    errors.append(abs(outputs["logits"] - expected["forward"]).numpy().max())
zeros = {n: tf.zeros(expected[n].shape) for n in names}
step = loaded.signatures["step"]
assert sorted(step.structured_input_signature[1]) == sorted(["token_ids", *names])
first = step(token_ids=ids[:, :10], **zeros)
second = step(token_ids=ids[:, 10:], **{n: first["next_" + n] for n in names})
errors += [abs(first["logits"] - expected["first"]).numpy().max(), abs(second["logits"] - expected["second"]).numpy().max()]
errors += [abs(second["next_" + n] - expected["next_" + n]).numpy().max() for n in names]
assert [o.shape[0] for o in step(token_ids=ids[:0], **{n: z[:0] for n, z in zeros.items()}).values()] == [0] * 5
print(max(errors))
"""
    done = subprocess.run([sys.executable, "-c", program, saved_model_folder, expected], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-5


def test_versions_count_up_and_carry_a_manifest(model, tmp_path):
    (tmp_path / "serving" / "7").mkdir(parents=True)
    (tmp_path / "serving" / "notes").mkdir()
    version = model.export(tmp_path / "serving")
    assert version == tmp_path / "serving" / "8"
    assert sorted(p.name for p in version.parent.iterdir()) == ["7", "8", "notes"]
    manifest = json.loads((version / "manifest.json").read_text())
    assert {"saved_model.pb", "variables/variables.index"} <= set(manifest["files"])
    assert manifest["parity"]["one_step"] <= 1e-5


def test_a_failed_check_leaves_nothing(model, tmp_path, monkeypatch):
    right = saved_model_artefact._served_function

    def wrong(*arguments):
        function = right(*arguments)
        return lambda inputs: {name: 1.001 * value for name, value in function(inputs).items()}

    monkeypatch.setattr(saved_model_artefact, "_served_function", wrong)
    with pytest.raises(ParityError, match="FAILED"):
        model.export(tmp_path / "serving")
    assert list((tmp_path / "serving").iterdir()) == []
