"""kerasrnn prepare: what it writes and shows, and every bad input in one line."""

import json
import re

import pytest
from typer.testing import CliRunner

from kerasrnn import tokenizers
from kerasrnn.cli import app
from kerasrnn.cli import prepare as module
from kerasrnn.data import TokenShards

TEXT = "The white whale, the WHITE whale — and the sea.\n" * 40


def invoke(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["prepare", *map(str, arguments)])


def succeed(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def row(output, part):
    return [cell.strip().replace(",", "") for cell in re.search(rf"│ {part} +│(.*)│", output)[1].split("│")]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "texts" / "inner").mkdir(parents=True)
    (tmp_path / "texts" / ".hidden").write_bytes(b"\xff")
    (tmp_path / "texts" / "b.txt").write_text(TEXT)
    (tmp_path / "texts" / "inner" / "a.txt").write_text(TEXT)
    return tmp_path / "texts"


def test_a_corpus_by_its_name(tmp_path):
    output = succeed("moby_dick", "--out", tmp_path / "out")
    assert row(output, "train") == ["1071285", "1", "1"] and row(output, "test") == ["59516", "1", "1"]
    assert "tokens in the vocabulary of CharTokenizer" in output
    assert succeed("moby_dick", "--out", tmp_path / "out") == output


def test_a_published_corpus_keeps_its_parts_and_its_words(tmp_path):
    for part in ("train", "valid", "test"):
        (tmp_path / f"ptb.{part}.txt").write_text(f" the <unk> {part} \n")
    output = succeed("--corpus", tmp_path, "--out", tmp_path / "out", "--tokenizer", "word")
    assert [row(output, part)[0] for part in ("train", "validation", "test")] == ["4", "4", "4"]
    assert TokenShards(tmp_path / "out").tokenizer.get_vocabulary() == ["<unk>", "\n", "the", "train"]
    result = invoke(tmp_path, "--out", tmp_path / "other", "--splits", 0.5, 0.5, 0)
    assert "splits must be None for 'ptb'" in result.stderr


def test_a_folder_with_options(folder, tmp_path):
    output = succeed(
        folder, "--out", tmp_path / "out", "--tokenizer", "word", "--option", "lowercase=true", "--option", "separator=_",
        "--splits", 1, 0, 0,
    )  # fmt: skip
    assert row(output, "train")[1:] == ["1", "2"] and row(output, "test") == ["0", "0", "0"]
    shards = TokenShards(tmp_path / "out")
    assert shards.tokenizer.lowercase and shards.tokenizer.separator == "_"
    assert shards.num_tokens == len(shards.tokenizer(f"{TEXT}\n{TEXT}"))


def test_a_saved_tokenizer(folder, tmp_path):
    tokenizer = tokenizers.CharTokenizer(["\ufffd", "\n", "T", "h", "e"])
    tokenizer.save(tmp_path / "tokenizer.json")
    succeed(folder / "b.txt", "--out", tmp_path / "out", "--tokenizer", tmp_path / "tokenizer.json")
    assert TokenShards(tmp_path / "out", tokenizer=tokenizer).token_ids(0, 5).tolist() == [2, 3, 4, 0, 0]


def test_as_many_processes_as_are_worth_it(folder, monkeypatch):
    files = [folder / "b.txt"]
    assert module._processes(files) == 1
    monkeypatch.setattr(module, "_WORTH_A_PROCESS", 100)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: range(5), raising=False)
    assert module._processes(files) == 5


BAD = [
    (["nowhere.txt"], "received 'nowhere.txt', and there is no such file"),
    (["odyssey"], "received 'odyssey', and there is no such file"),
    (["EMPTY"], "or any text files, but holds nothing"),
    (["FILE", "--tokenizer", "morse"], "--tokenizer must be one of byte, char, .*word, or a .json file, but is 'morse'"),
    (["FILE", "--tokenizer", "SPEC"], "must be a file that a tokenizer's save\\(\\) wrote"),
    (["FILE", "--option", "lowercase"], "--option must be NAME=VALUE, but is 'lowercase'"),
    (["FILE", "--option", "size=3"], "--option is not one that --tokenizer char takes: .*'size'"),
    (["FILE", "--tokenizer", "SPEC", "--option", "a=3"], "--option is for a new tokenizer"),
    (["FILE", "--splits", "1", "1", "0"], "splits must be three shares"),
]


@pytest.mark.parametrize("arguments, message", BAD, ids=[message[:20] for _, message in BAD])
def test_bad_input_is_told_in_one_line(folder, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "spec.json").write_text(json.dumps({"class_name": "Morse"}))
    names = {"FILE": folder / "b.txt", "EMPTY": tmp_path / "empty", "SPEC": tmp_path / "spec.json"}
    result = invoke(*(names.get(argument, argument) for argument in arguments), "--out", tmp_path / "out")
    assert result.exit_code == 2
    error = result.stderr.strip("\n")  # older versions of rich print an empty line in place of a status
    assert re.match(f"Error: .*{message}", error) and "\n" not in error, result.stderr
    assert not (tmp_path / "out").exists()
