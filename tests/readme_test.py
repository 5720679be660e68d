"""The code of the README, on the first pages of the novel, and of docs/export.md runs as it stands."""

import re
from pathlib import Path

import kerasrnn

ROOT = Path(__file__).parents[1]


def blocks_of(page):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = kerasrnn.data.load_corpus("moby_dick").train[:12_000]
    corpus = kerasrnn.data.Corpus.from_texts(text, splits=(0.8, 0.2, 0.0))
    monkeypatch.setattr(kerasrnn.data, "load_corpus", lambda name: corpus)
    printed = []
    for block in blocks_of("README.md"):
        names: dict = {}  # each is a program of its own
        exec(block, names)
        printed.append(capsys.readouterr().out)
        if "layer" in names:
            assert names["layer"](kerasrnn._backend.tf.zeros((2, 3, 4))).shape == (2, 3, 32)
    trainer_s, runtime_s, application_s, _, forecast = printed
    assert len(runtime_s) == 200
    assert trainer_s.endswith(runtime_s + "\n")
    assert application_s == runtime_s + "\n"
    assert Path("moby/serving/1/saved_model.pb").exists()
    assert forecast.endswith("(24, 1, 3)\n")


def test_the_code_of_the_page_on_export_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks_of("docs/export.md"):
        exec(block, names)
    assert names["states"].keys() == {"state_0_h", "state_0_output"}
    assert (tmp_path / "tagger-int8/step.onnx").exists()
