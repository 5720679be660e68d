"""The example runs, and its table says what theory does: truncation is biased, randomised truncation only noisy."""

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "bptt.py"


def test_bias_and_noise(tmp_path):
    command = [sys.executable, str(EXAMPLE), "--quick", "--out", "plots"]
    environment = {**os.environ, "COLUMNS": "160"}
    process = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "plots/bptt.png").stat().st_size > 10_000
    rows = {line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:-1]]
            for line in process.stdout.splitlines() if line.startswith("│")}  # fmt: skip
    bias = {way: float(row[-2]) for way, row in rows.items() if way in ("full", "checkpoints", "truncated", "windows")}
    assert bias["full"] == 0 and bias["checkpoints"] < 1e-3
    assert bias["truncated"] > 0.3 and abs(bias["truncated"] - bias["windows"]) < 1e-3
    measured, expected = map(float, re.search(r"draws, ([\d.]+), .*: ([\d.]+) is expected", process.stdout).groups())
    assert measured < 2 * expected < bias["truncated"]
    assert float(rows["orthogonal"][-2]) > 100 * float(rows["orthogonal × 0.7"][-2])
