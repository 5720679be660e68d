"""The bundles that lie here: `python tests/export/bundles/make.py` wrote them at the commit in each `recorded.npz`.

They are not written again: later readers must read what earlier writers wrote.
"""

import subprocess
from pathlib import Path

import keras
import numpy as np

import kerasrnn
from kerasrnn.export import export_onnx, runtime

HERE = Path(__file__).parent
TEXT = "the cat sat on the mat; the dog lay by the log. " * 20


def text() -> keras.Model:
    tokenizer = kerasrnn.tokenizers.CharTokenizer()
    tokenizer.adapt(TEXT)
    return kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(4), tokenizer=tokenizer, embedding=3)


def causal() -> keras.Model:
    x = keras.Input((None, 3), name="x")
    return keras.Model(x, keras.layers.Dense(2, name="score")(keras.layers.LSTM(4, return_sequences=True)(x)))


def masked() -> keras.Model:
    words = keras.Input((None,), dtype="int32", name="words")
    h = keras.layers.Embedding(9, 3, mask_zero=True)(words)
    return keras.Model(words, keras.layers.Dense(2, name="tags")(keras.layers.GRU(4, return_sequences=True)(h)))


def forecast() -> keras.Model:
    model = kerasrnn.models.Forecaster(kerasrnn.cells.GRUCell(4), horizon=2, normalization=None, return_sequences=True)
    model(np.zeros((1, 3, 1), "float32"))
    return model


def main() -> None:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()
    for build in (text, causal, masked, forecast):
        keras.utils.set_random_seed(1)
        folder = export_onnx(build(), HERE / build.__name__)
        session = runtime.load(folder)
        (spec,) = session.manifest["signatures"]["forward"]["inputs"]
        random = np.random.default_rng(0)
        if spec["dtype"] == "int32":
            inputs = random.integers(0, 9, (3, 8)).astype("int32")
            inputs[0, -3:], inputs[1, :2] = 0, 0
        else:
            inputs = random.standard_normal((3, 8, spec["shape"][-1])).astype("float32")
        outputs = session.forward(**{spec["name"]: inputs})
        recorded = {"commit": commit, "name": spec["name"], "inputs": inputs}
        recorded |= {f"output_{name}": value for name, value in outputs.items()}
        if session.tokenizer is not None:
            recorded["text"] = session.generate("the ", max_new_tokens=30, seed=7)
            recorded["score"] = session.score("the cat")[0]
        np.savez(folder / "recorded.npz", **recorded)


if __name__ == "__main__":
    main()
