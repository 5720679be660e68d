"""The JavaScript client begins with the states that the manifest gives, without any package of Node's."""

import json
import subprocess

import keras
import numpy as np
import pytest

from kerasrnn.cells import LSTMCell
from kerasrnn.export.runtime import load
from kerasrnn.models import LanguageModel
from kerasrnn.tokenizers import CharTokenizer

from examples.clients.conftest import CLIENTS, NODE

PROGRAM = """
import {{ readFile }} from "node:fs/promises";
import {{ LanguageModel }} from {client};

// An onnxruntime that remembers what it is given.
const given = [];
class Tensor {{
  constructor(type, data, dims) {{ Object.assign(this, {{ type, data: Array.from(data), dims }}); }}
}}
const run = async (feeds) => {{
  given.push(feeds);
  throw new Error("enough");
}};
const ort = {{ Tensor, InferenceSession: {{ create: async () => ({{ run }}) }} }};
const model = await LanguageModel.load(ort, (name) => readFile({folder} + "/" + name));
try {{
  for await (const piece of model.stream("the ")) console.log(piece);
}} catch (error) {{
  if (error.message !== "enough") throw error;
}}
process.stdout.write(JSON.stringify(given[0]));
"""


class StartsHigh(LSTMCell):
    """A cell of which one state begins as zeros and the other does not."""

    def get_initial_state(self, batch_size=None):
        h, c = super().get_initial_state(batch_size)
        return [h, c + np.arange(1, 4, dtype="float32") / 8]


@pytest.mark.skipif(not NODE, reason="node is not installed")
@pytest.mark.parametrize("cell", [LSTMCell, StartsHigh])
def test_the_client_begins_with_the_manifests_states(cell, tmp_path):
    keras.utils.set_random_seed(0)
    tokenizer = CharTokenizer()
    tokenizer.adapt("the cat sat on the mat")
    folder = LanguageModel(cell(3), tokenizer=tokenizer, embedding=4).export(tmp_path / "out", format="onnx")
    client = json.dumps((CLIENTS / "javascript" / "language_model.mjs").as_uri())
    program = PROGRAM.format(client=client, folder=json.dumps(str(folder)))
    done = subprocess.run([NODE, "--input-type=module"], input=program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    given = json.loads(done.stdout)
    for name, expected in load(folder).initial_states(1).items():
        assert given[name]["dims"] == list(expected.shape)
        np.testing.assert_array_equal(np.float32(given[name]["data"]), expected[0])
