"""The demo, from any folder and on a tiny budget: the whole road in one table."""

import re
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def test_demo_ends_with_its_table(tmp_path):
    # So short that an epoch is one batch, which is finished whatever the machine's speed.
    command = [sys.executable, DEMO, "--minutes", "0.001", "--units", "16", "--out", "demo"]
    process = subprocess.run([*map(str, command)], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert process.returncode == 0, process.stderr
    table = process.stdout[process.stdout.index("From Moby-Dick") :]
    figures = dict(re.findall(r"│ (\S.*?) +│ ([\d.,e+-]+)(?: MB| tokens/s)? +│", table))
    assert 1 < float(figures["validation bits per character"]) < 7 and "3.569 by bigrams" in table
    for artefact in ("ONNX", "SavedModel"):
        assert float(figures[f"{artefact} − Keras, one step"]) <= 1e-5
        assert float(figures[f"{artefact} − Keras, running freely"]) <= 1e-3
        assert float(figures[f"size of {artefact}"]) > 0
    assert all(float(figures[f"written {how}"].replace(",", "")) > 0 for how in ("by Keras", "without TensorFlow"))
    assert "the same text" in table and "Call me " in table
    assert process.stderr == ""
    written = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {"model.keras", "onnx", "serving", "curves.png", "history.csv"} <= written
