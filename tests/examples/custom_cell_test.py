"""The example of a cell of one's own, from any folder and on a tiny budget."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_cell.py"


@pytest.mark.slow
def test_the_cell_passes_and_learns(tmp_path):
    command = [sys.executable, str(EXAMPLE), "--epochs", "3", "--steps", "10"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert process.returncode == 0, process.stderr
    assert "UGRNNCell: 12 passed, 0 failed, 0 not run" in process.stdout
    assert "note" not in process.stdout
    error, naive = map(float, re.search(r"sequences: ([\d.]+); of always saying 1: ([\d.]+)\.\n", process.stdout).groups())
    assert error < naive / 2
    assert [*tmp_path.iterdir()] == []
