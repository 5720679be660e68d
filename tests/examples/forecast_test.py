"""Forecasts of real series on a tiny budget, and the parts of a file that are judged."""

import importlib.util
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "forecast.py"
MODELS = ["last value", "seasonal naive", "linear", "GRU"]


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("forecast", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def errors_of(example, monkeypatch, capsys):
    """Runs the example, and returns each model's two errors."""

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["forecast.py", "--quick", *map(str, options)])
        example.main()
        rows = re.findall(r"(?:hours?|years?) +(\D+?) +([\d.]+) +([\d.]+) +[\d,]+ *\n", capsys.readouterr().out)
        return {name: (float(squared), float(absolute)) for name, squared, absolute in rows}

    return run


def daily(path, hours=1_300):
    """Seven channels that repeat each day, each with a level and a size of its own, in ETTh1's format."""
    channels = np.arange(7)
    values = 10 * channels + (1 + channels) * np.sin(2 * np.pi * (np.arange(hours)[:, None] / 24 + channels / 7))
    rows = ("2016-07-01 00:00:00," + ",".join(f"{value:.6f}" for value in row) for row in values)
    path.write_text("date,a,b,c,d,e,f,g\n" + "\n".join(rows) + "\n")
    return values


def test_a_series_that_repeats_is_known_to_who_knows_it_repeats(example, errors_of, tmp_path):
    values = daily(tmp_path / "days.csv")
    errors = errors_of("--series", "ETTh1", "--data", tmp_path / "days.csv", "--out", tmp_path / "out")
    assert list(errors) == MODELS
    assert errors["seasonal naive"] == (0, 0) and errors["linear"] == (0, 0)
    test = (values[1_000:1_200] - values[:800].mean(0)) / values[:800].std(0)
    origins = np.arange(200 - 24 + 1)
    before = (values[999 : 999 + len(origins)] - values[:800].mean(0)) / values[:800].std(0)
    by_hand = np.mean([(test[i : i + 24] - before[i]) ** 2 for i in origins])
    assert errors["last value"][0] == pytest.approx(by_hand, abs=1e-3)
    assert 0 < errors["GRU"][0] < errors["last value"][0]
    assert (tmp_path / "out/forecast_ETTh1.png").read_bytes().startswith(b"\x89PNG")


def test_the_split_is_informers(example):
    setting = example.SETTINGS["ETTh1"]
    assert setting.spans == ((0, 8640), (8640, 11520), (11520, 14400))
    assert (setting.lags, setting.horizons) == (336, (24, 96))


@pytest.mark.parametrize("name", ["sunspots", pytest.param("ETTh1", marks=pytest.mark.slow)])
def test_the_real_series(errors_of, example, name, tmp_path):
    file = Path(os.environ.get("KERASRNN_DATA", "")) / example.SETTINGS[name].file
    if not file.is_file():
        pytest.skip(f"{file} is not there: set KERASRNN_DATA to the folder of data sets")
    errors = errors_of("--series", name)
    assert list(errors) == MODELS
    assert errors["linear"][0] < errors["last value"][0]


def test_a_wrong_file_is_refused(errors_of, tmp_path, capsys, monkeypatch):
    (tmp_path / "short.csv").write_text("year,count\n1700,5\n1701,11\n")
    with pytest.raises(SystemExit):
        errors_of("--series", "sunspots", "--data", tmp_path / "short.csv")
    message = " ".join(capsys.readouterr().err.split())
    assert "expected a header, then at least 309 rows" in message and "received 2 rows of 1 numbers" in message
    monkeypatch.delenv("KERASRNN_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        errors_of("--series", "sunspots")
    assert "KERASRNN_DATA" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        errors_of("--data", tmp_path / "short.csv")
    assert "--series ETTh1" in capsys.readouterr().err
