"""A user's own texts, as they lie on disks: folders, encodings, Windows line ends; and runs that go on by their folder."""

import codecs
import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from kerasrnn import training
from kerasrnn._files import unix_line_ends, write_whole
from kerasrnn.cli._text_files import read_pieces
from kerasrnn.cli.app import app
from kerasrnn.data import Corpus, TokenShards, read_text

TEXT = "Größe und Maß,\nein Café: naïve Übung.\n" * 60
SMALL = "--units 4 --layers 1 --epochs 1 --batch-size 4 --num-steps 16"
SETTINGS = training.Settings(units=4, layers=1, epochs=1, batch_size=4, num_steps=16)
# What marks the bytes, what they are, and what has to be said.
KINDS = {
    "utf-8": (b"", "utf-8", None),
    "utf-8 with mark": (codecs.BOM_UTF8, "utf-8", None),
    "utf-16": (codecs.BOM_UTF16_LE, "utf-16-le", None),
    "utf-16 of the other order": (codecs.BOM_UTF16_BE, "utf-16-be", None),
    "utf-32": (codecs.BOM_UTF32_LE, "utf-32-le", None),
    "latin-1": (b"", "latin-1", "latin-1"),
    "utf-16 among latin-1": (codecs.BOM_UTF16_LE, "utf-16-le", "latin-1"),
}


def run(*arguments):
    result = CliRunner().invoke(app, [str(part) for argument in arguments for part in str(argument).split()])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    """(a folder with texts of Windows, the option that tells their encoding)"""
    mark, encoding, said = KINDS[request.param]
    (tmp_path / "texts" / "more").mkdir(parents=True)
    for name in ("a.txt", "more/b.text"):
        (tmp_path / "texts" / name).write_bytes(mark + TEXT.replace("\n", "\r\n").encode(encoding))
    (tmp_path / "texts" / ".hidden").write_bytes(b"\xff\x00")
    return tmp_path / "texts", said


def test_a_folder_is_the_same_text_however_it_is_encoded(kind):
    folder, said = kind
    corpus = training.read_corpus(str(folder), said or "utf-8")
    assert corpus.train + corpus.validation + corpus.test == TEXT + "\n" + TEXT
    file = folder / "a.txt"
    assert "".join(read_pieces(file, encoding=said or "utf-8")) == TEXT
    assert "".join(read_text(file, by="file", encoding=said or "utf-8")).replace("\r\n", "\n") == TEXT


def test_prepare_and_stats(kind, tmp_path):
    folder, said = kind
    option = f"--encoding {said}" if said else ""
    run("prepare", folder, "--out", tmp_path / "shards", "--splits 1 0 0", option)
    shards = TokenShards(tmp_path / "shards")
    assert shards.num_tokens in (2 * len(TEXT) + 1, 2 * len(TEXT) + 2)
    vocabulary = shards.tokenizer.get_vocabulary()
    assert "ß" in vocabulary and "\r" not in vocabulary
    assert "Café:" in run("stats", folder / "a.txt", "--normalization none --top 20", option)


@pytest.mark.parametrize("said", ["latin-1", None])
def test_train_on_a_folder_and_go_on_by_the_runs_folder(tmp_path, said):
    folder, out = tmp_path / "texts", tmp_path / "run"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.txt").write_bytes(TEXT.replace("\n", "\r\n").encode(said or "utf-8"))
    assert "texts, 2 files in" in run("train", folder, "--out", out, SMALL, f"--encoding {said}" if said else "")
    assert "2 of 2 epochs" in run("train", "--out", out, "--epochs 2")
    found = training.RunFolder(out)
    assert (found.settings.units, found.settings.epochs, found.encoding) == (4, 2, said or "utf-8")
    assert "\r" not in found.load_corpus().train


def train(corpus, folder, settings=SETTINGS):
    return training.train(corpus, folder, settings, prompt=None, console=Console(file=io.StringIO()))


def test_a_corpus_of_python_is_kept_in_the_run(tmp_path):
    corpus = Corpus.from_texts(TEXT.replace("\n", "\r\n"), (0.8, 0.1, 0.1), name="own")
    assert train(corpus, tmp_path / "run").run.load_corpus() == corpus
    assert train(None, tmp_path / "run", None).epochs == 1
    with pytest.raises(ValueError, match="corpus: a Corpus, was a Corpus or its text has changed"):
        train(Corpus.from_texts(TEXT), tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="must be a folder that kerasrnn train wrote"):
        train(None, tmp_path / "new")


def test_a_run_of_old_keeps_the_line_ends_that_it_was_trained_on(tmp_path, monkeypatch):
    (tmp_path / "text.txt").write_bytes(TEXT.replace("\n", "\r\n").encode())
    raw = training.read_corpus(str(tmp_path / "text.txt"), keep_line_ends=True)
    train(raw, tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    text = config.read_text().replace('"names": []', f'"names": ["{tmp_path}/text.txt"]').replace(',\n  "encoding": "utf-8"', "")
    config.write_text(text)
    assert "encoding" not in text
    assert training.RunFolder(tmp_path / "run").load_corpus().train == raw.train
    assert train(str(tmp_path / "text.txt"), tmp_path / "run").epochs == 1
    assert training.RunFolder(tmp_path / "run").load_corpus().train == raw.train


def test_shards_are_no_texts(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="holds prepared shards or an exported model. Name the texts"):
        training.read_corpus(str(tmp_path))


def test_line_ends_cut_by_pieces():
    assert "".join(unix_line_ends(["a\r", "\nb\r", "c\r\n", "\r", "\n\r"])) == "a\nb\rc\n\n\r"


def test_a_full_disk_is_named(tmp_path):
    def write(beside):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left on device; .*Free some space: .*model.keras'"):
        write_whole(tmp_path / "model.keras", write)
