"""The README's code runs as it stands, on the first pages of the novel."""

import re
from pathlib import Path

import kerasrnn

README = Path(__file__).parents[1] / "README.md"


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = kerasrnn.data.load_corpus("moby_dick").train[:12_000]
    corpus = kerasrnn.data.Corpus.from_texts(text, splits=(0.8, 0.2, 0.0))
    monkeypatch.setattr(kerasrnn.data, "load_corpus", lambda name: corpus)
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
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
