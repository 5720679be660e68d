"""The command at 80 columns, and what a mistyped path costs."""

import json
import subprocess
import sys

import numpy as np
import pytest
from cli.commands import succeed
from rich.console import Console
from typer.testing import CliRunner

from kerasrnn.cli import _folders, app
from kerasrnn.data import published

SUBCOMMANDS = ["train", "evaluate", "compare", "generate", "export", "inspect", "diagnose", "stats", "prepare", "doctor"]
TINY = "--cell gru --units 8 --layers 1 --epochs 1 --batch-size 8 --num-steps 16".split()


def at_80_columns(*arguments):
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("subcommand", ["", *SUBCOMMANDS])
def test_help_fits_80_columns_with_all_names_whole(subcommand):
    shown = at_80_columns(*subcommand.split(), "--help")
    assert "…" not in shown and "..." not in "\n".join(shown.splitlines()[1:])
    assert max(map(len, shown.splitlines())) <= 80
    options = {option for command in [app_command(subcommand)] for p in command.params for option in [*p.opts, *p.secondary_opts]}
    assert all(option in shown.replace(",", " ").split() for option in options if option.startswith("--"))


def app_command(name):
    from typer.main import get_command

    return get_command(app).commands[name] if name else get_command(app)


@pytest.mark.parametrize(
    "arguments",
    [
        "train nowhere.txt --out new", "train moby_dik --out new", "train moby_dick --config nowhere.toml --out new",
        "evaluate nowhere", "evaluate RUN --text nowhere.txt", "evaluate RUN --corpus nowhere.txt", "compare RUN nowhere",
        "generate nowhere", "generate EMPTY", "export nowhere", "inspect nowhere", "diagnose nowhere", "stats nowhere.txt",
        "stats RUN --oov nowhere", "prepare nowhere.txt --out new", "prepare EMPTY --tokenizer nowhere.json --out new",
        "doctor nowhere",
    ],
)  # fmt: skip
def test_a_mistyped_path_is_told_before_tensorflow_loads(arguments, tmp_path):
    """The run is none that could be loaded: it would fail otherwise."""
    for name in ("run", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "run/config.json").write_text("{}")
    program = (
        "import sys; from kerasrnn.cli import main\n"
        "try: main()\n"
        "finally: print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    words = arguments.replace("RUN", "run").replace("EMPTY", "empty").split()
    process = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert process.returncode == 2 and process.stdout.endswith("False False\n"), process.stdout + process.stderr
    wrong = "empty" if arguments == "generate EMPTY" else next(w for w in words if "nowhere" in w or "dik" in w)
    assert f"'{wrong}'" in process.stderr and process.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_every_corpus_with_a_name_is_known_without_tensorflow():
    from kerasrnn.training.corpus_files import _BUILT_IN

    assert {*_folders.CORPORA} == {*_BUILT_IN, *published.NAMES}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layout")
    words = np.random.default_rng(0).choice("call me ishmael — some years ago".split(), 1500)
    corpus = folder / "corpus.txt"
    corpus.write_text(" ".join(words))
    paths = [folder / "runs" / name for name in ("first", "second")]
    succeed("train", corpus, "--out", paths[0], *TINY)
    succeed("train", corpus, "--out", paths[1], *TINY, "--epochs", 2, "--tokenizer", "word", "--temporal-activity-regularization", 1)
    return paths


def test_compare_shows_all_headers_once(runs, monkeypatch):
    monkeypatch.chdir(runs[0].parent.parent)
    shown = at_80_columns("compare", "runs/first", "runs/second")
    assert max(map(len, shown.splitlines())) <= 80 and "…" not in shown
    for once in ("epochs", "perplexity", "parameters", "minutes", "temporal_activity_regularization", "1 of 1", "2 of 2"):
        assert shown.count(once) == 1, shown
    assert "their figures do not compare" in shown  # one has no bits per character


def test_a_run_of_words_has_no_bits_per_character(runs, tmp_path):
    for run, kept in zip(runs, (True, False)):
        assert ("bits_per_character" in (run / "history.csv").read_text()) is kept
        shown = succeed("evaluate", run, "--json", tmp_path / "f.json", "--out", tmp_path / "positions.png")
        figures = json.loads((tmp_path / "f.json").read_text())
        assert figures["keeps_text"] is kept and ("│ bits per character" in shown) is kept
        assert ("the tokens do not keep the whole text" in shown) is not kept
        assert "tokens of the text" in shown and sum(band["tokens"] for band in figures["by_position"]) == figures["tokens"]
        assert (tmp_path / "positions.png").stat().st_size


def test_export_says_what_is_next_and_inspect_what_comes_out(runs, tmp_path):
    shown = succeed("export", runs[0], "--out", tmp_path / "out")
    assert f"Written: {tmp_path / 'out/onnx'}, {tmp_path / 'out/serving/1'}" in shown
    assert f"Next: kerasrnn generate {tmp_path / 'out/onnx'}" in shown
    for folder in ("onnx", "serving"):
        rows = [line for line in succeed("inspect", tmp_path / "out" / folder).splitlines() if "│ output" in line]
        assert rows and all(kind in "".join(rows) for kind in ("float32", "int32", "string"))
        assert all("(any" in row for row in rows), rows
        manifest = json.loads(next((tmp_path / "out" / folder).rglob("manifest.json")).read_text())
        for signature in manifest["signatures"].values():
            assert [spec["name"] for spec in signature["output_specs"]] == signature["outputs"]


def test_lines_on_a_terminal_break_between_words(runs, capsys):
    from kerasrnn.training import Settings, train

    console = Console(width=40, force_terminal=True, force_interactive=False)
    settings = Settings(cell="gru", units=8, layers=1, epochs=1, batch_size=8, num_steps=16)
    train(str(runs[0].parent.parent / "corpus.txt"), runs[0], settings, console=console)
    lines = capsys.readouterr().out.splitlines()
    begin = next(i for i, line in enumerate(lines) if "corpus.txt:" in line)
    assert all(len(line.rstrip()) <= 40 for line in lines[begin : begin + 6])
    assert "in the vocabulary" in " ".join(line.strip() for line in lines[begin : begin + 6])
