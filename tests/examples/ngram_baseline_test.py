"""The table of the count-based models, from any folder and with short sequences."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "ngram_baseline.py"


def test_kneser_ney_is_best_and_longer_contexts_help(tmp_path):
    command = [sys.executable, str(EXAMPLE), "--words", "2", "--characters", "4"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert process.returncode == 0, process.stderr
    rows = [[*map(float, row)] for row in re.findall(r"│ \d +│ ([\d.]+) +│ ([\d.]+) +│ ([\d.]+) ", process.stdout)]
    words, characters = rows[:2], rows[2:]
    assert words[1][2] == min(words[1]) < 300 < words[0][2]
    assert characters[3][2] == min(characters[3]) < 2.5
    assert all(longer[2] < shorter[2] for shorter, longer in itertools.pairwise(characters))
    assert "<unk>" not in process.stdout[process.stdout.index("2-grams of words write") :]
    assert process.stderr == ""
    assert [*tmp_path.iterdir()] == []
