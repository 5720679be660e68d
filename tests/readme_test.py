"""The code of the README, on the first pages of the novel, and of docs/export.md runs as it stands."""

import re
from pathlib import Path

import numpy as np

import kerasrnn

ROOT = Path(__file__).parents[1]


def blocks_of(page):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = kerasrnn.data.load_corpus("moby_dick").train[:12_000]
    corpus = kerasrnn.data.Corpus.from_texts(text, splits=(0.8, 0.2, 0.0))
    monkeypatch.setattr(kerasrnn.data, "load_corpus", lambda name: corpus)
    blocks = blocks_of("README.md")
    assert len(blocks) == 5
    names: dict = {}
    exec(blocks[0], names)
    trainer_s = capsys.readouterr().out
    exec(blocks[1], names)
    runtime_s = capsys.readouterr().out
    assert len(runtime_s) == 200
    assert trainer_s.endswith(runtime_s + "\n")
    exec(blocks[2], names)
    assert names["text"] == runtime_s
    exec(blocks[3], names)
    assert names["layer"](kerasrnn._backend.tf.zeros((2, 3, 4))).shape == (2, 3, 32)
    assert Path("moby/serving/1/saved_model.pb").exists()
    names["series"] = np.sin(0.1 * np.arange(200))
    exec(blocks[4], names)
    assert capsys.readouterr().out.endswith("(24, 1, 3)\n")


def test_the_code_of_the_page_on_export_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks_of("docs/export.md"):
        exec(block, names)
    assert names["states"].keys() == {"state_0_h", "state_0_output"}
    assert (tmp_path / "tagger-int8/step.onnx").exists()
