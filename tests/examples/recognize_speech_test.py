"""The language model puts right what the sounds leave open."""

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "recognize_speech.py"


def test_the_white_whale(tmp_path):
    options = ["--units", "64", "--epochs", "1", "--characters", "300000"]
    command = [sys.executable, str(EXAMPLE), *options]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (process.returncode, process.stderr) == (0, ""), process.stderr
    lines = process.stdout.splitlines()
    assert "heard best: the wide wail swam before the sheep" in lines
    assert "with the trigrams: the white whale swam before the ship" in lines
    whale = next(line for line in lines if "wail'" in line)
    assert "-> 'the white whale'; trigrams 'the white whale'" in whale
