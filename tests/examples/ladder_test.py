"""The ladder on a small budget: every rung stands in the table, and what is done is not done again."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "ladder.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("ladder", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def climb(example, tmp_path, monkeypatch, capsys):
    """Runs the example, and returns each rung's cells of the table."""

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["ladder.py", "--quick", "--out", str(tmp_path / "out"), *options])
        example.main()
        lines = (line.split() for line in capsys.readouterr().out.splitlines())
        return {line[0]: [cell.replace(",", "") for cell in line[1:]] for line in lines if line and line[0] in example.RUNGS}

    return run


@pytest.mark.slow
def test_rungs_are_kept_and_added(climb, tmp_path, capsys):
    options = ["--kinds", "characters", "--rungs", "unigram", "Kneser–Ney"]
    first = climb(*options)
    assert 4 < float(first["unigram"][0]) < 5 and 2 < float(first["Kneser–Ney"][0]) < 3.5
    file = tmp_path / "out/characters.json"
    kept = json.loads(file.read_text())
    kept["rungs"]["unigram"]["test"]["bits_per_character"] = 7.5
    file.write_text(json.dumps(kept))
    second = climb(*options, "feed-forward")
    assert second["unigram"][0] == "7.500"
    assert float(second["feed-forward"][0]) < 4.5
    assert second["Kneser–Ney"] == first["Kneser–Ney"]
    assert (tmp_path / "out/ladder.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit):
        climb(*options, "--seed", "2")
    assert "Give another --out." in capsys.readouterr().err


@pytest.mark.slow
def test_all_rungs_of_both_kinds(climb, example):
    rows = climb()
    assert list(rows) == example.RUNGS
    for row in rows.values():
        assert 20 < float(row[0]) < 80 and 2 < float(row[3]) < 5
        assert int(row[1]) > 50 and int(row[4]) > 50


def test_parameters_of_counts_are_the_different_sequences(example):
    assert example.count_sequences(example.np.array([1, 2, 1, 2, 3]), 3) == 3 + 3 + 3
