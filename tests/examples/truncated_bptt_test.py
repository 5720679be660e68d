"""Carried states help, whatever the windows' length."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "truncated_bptt.py"


@pytest.mark.slow
def test_carried_states_help(tmp_path):
    options = ["--characters", "30000", "--num-steps", "2", "16", "--units", "32", "--epochs", "2"]
    command = [sys.executable, str(EXAMPLE), *options]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    for line in process.stdout.splitlines()[1:]:
        _, begun_anew, carried = map(float, line.split())
        assert carried < begun_anew
