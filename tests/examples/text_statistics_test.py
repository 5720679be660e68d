"""The book's figures, printed by the example."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(folder, *options):
    command = [sys.executable, ROOT / "examples/text_statistics.py", *options]
    process = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert (process.returncode, process.stderr) == (0, ""), process.stderr
    return process.stdout.splitlines()


def test_the_time_machine(tmp_path):
    path = Path(os.environ.get("KERASRNN_DATA", "")) / "time_machine/timemachine.txt"
    if not path.exists():
        pytest.skip(f"{path} is not there: set KERASRNN_DATA to the folder of data sets")
    lines = run(tmp_path, "--plot", "zipf.png")
    assert lines[0] == "173,428 characters of 27 symbols"
    assert lines[1] == "32,775 words of 4,579 types, 2,397 of which occur once"
    assert lines[4].split(", ")[:3] == ["    the 2,261", "i 1,267", "and 1,245"]
    assert (tmp_path / "zipf.png").read_bytes().startswith(b"\x89PNG")


def test_moby_dick(tmp_path):
    lines = run(tmp_path, "--corpus", "moby_dick")
    assert lines[:2] == ["1,148,977 characters of 27 symbols", "214,403 words of 16,683 types, 7,243 of which occur once"]
