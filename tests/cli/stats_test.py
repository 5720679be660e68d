"""kerasrnn stats: its figures, its plot, and every bad input in one line."""

import gzip
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from kerasrnn.cli import app
from kerasrnn.cli._text_files import read_pieces

TEXT = "The white whale, the WHITE whale — and the sea; zoë’s sea.\r\n" * 3


def invoke(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["stats", *map(str, arguments)])


def succeed(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def cells(output, name):
    return [cell.strip() for cell in re.search(rf"│ {re.escape(name)} +│(.*)│", output)[1].split("│")]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "whale.txt"
    path.write_bytes(TEXT.encode())
    return path


def test_words(file):
    output = succeed(file)
    assert cells(output, "tokens") == ["36", "35", "34"]
    assert cells(output, "types") == ["7", "10", "11"]
    assert cells(output, "the") == ["9", "the white", "6", "the white whale", "6"]
    assert "unknown to the vocabulary" not in output and "plot" not in output


def test_other_tokens_and_normalization(file):
    assert cells(succeed(file, "--tokens", "char"), "types")[0] == "13"
    assert cells(succeed(file, "--normalization", "none"), "types")[0] == "11"
    output = succeed(file, "--tokens", "char", "--normalization", "none", "--top", 99)
    assert cells(output, "tokens")[0] == str(len(TEXT.replace("\r\n", "\n")))
    assert "'\\r" not in output
    assert "most frequent unigrams" not in succeed(file, "--top", 0)


def test_files_are_documents_and_gzip_is_read(file, tmp_path):
    other = tmp_path / "other.txt.gz"
    other.write_bytes(gzip.compress(b"\xef\xbb\xbfsea sea", mtime=0))
    output = succeed(file, other)
    assert cells(output, "tokens") == ["38", "36", "34"]


def test_out_of_vocabulary_rates(file, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("the sea the sky")
    output = succeed(file, "--oov", other)
    assert f"25.00% of the tokens of {other} are unknown to the vocabulary of {file}." in output
    assert f"58.33% of the tokens of {file} are unknown to the vocabulary of {other}." in output


def test_the_plot(file, tmp_path):
    out = tmp_path / "new/plot.png"
    assert f"The plot is in {out}." in succeed(file, "--out", out)
    assert out.read_bytes().startswith(b"\x89PNG")
    assert [*out.parent.iterdir()] == [out]


def test_a_corpus_by_its_name():
    output = succeed("moby_dick")
    assert cells(output, "tokens")[0] == "214,403"
    assert cells(output, "types") == ["16,683", "114,348", "189,996"]


def test_a_corpus_in_a_folder(tmp_path):
    for part in ("train", "valid", "test"):
        (tmp_path / f"ptb.{part}.txt").write_text(" the sea \n")
    output = succeed("--corpus", tmp_path)
    assert cells(output, "tokens")[0] == "6" and cells(output, "sea")[:1] == ["3"]


def test_files_need_no_tensorflow(file):
    program = f"from kerasrnn.cli import app; import sys; app(['stats', {str(file)!r}], standalone_mode=False); "
    program += "sys.exit(bool({'tensorflow', 'keras'} & {*sys.modules}))"
    run = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("zipped", [False, True])
def test_pieces_join_to_the_text(tmp_path, zipped):
    text = "\r\nzoë 👍" * 400_000
    content = ("\ufeff" + text).encode()
    path = tmp_path / "text"
    path.write_bytes(gzip.compress(content, 1, mtime=0) if zipped else content)
    positions = []
    pieces = [*read_pieces(path, positions.append)]
    assert "".join(pieces) == text.replace("\r\n", "\n") and len(pieces) > 3
    assert positions == sorted(positions) and positions[-1] == path.stat().st_size


ZIPPED = gzip.compress(b"a text that was cut " * 99, mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.txt", None, "received 'absent.txt', and there is no such file"),
        ("odyssey", None, "one of moby_dick, .*; received 'odyssey', and there is no such file"),
        ("empty.txt", b"", "empty.txt' must hold text, but is empty"),
        ("digits.txt", b"1 2 3", "must hold at least one word, but holds none. Try --normalization none"),
        ("latin.txt", b"x" * 2**20 + "zoë".encode("latin1"), "must be UTF-8, but its byte 0xEB at offset 1048578 is not"),
        ("cut.txt", b"x" * (2**20 - 1) + b"\xe2\x80", "must be UTF-8, but its byte 0xE2 at offset 1048575 is not"),
        ("text.gz", b"plain", "text.gz' must be compressed by gzip, whole, but: Not a gzipped file"),
        ("short.gz", ZIPPED[:-9], "short.gz' must be compressed by gzip, whole, but: "),
        ("broken.gz", ZIPPED[:12] + b"\xff" * 9 + ZIPPED[21:], "broken.gz' must be compressed by gzip, whole, but: "),
    ],
)
def test_bad_files(tmp_path, monkeypatch, name, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = invoke(name, "--out", "plot.png")
    assert result.exit_code == 2
    assert re.match(f"Error: .*{message}", result.stderr.lstrip("\n")), result.stderr
    assert not (tmp_path / "plot.png").exists()


def test_a_folder_and_a_plot_without_format(tmp_path):
    assert "or any text files, but holds nothing. Put texts into it" in invoke(tmp_path).stderr
    assert "--out 'plot' must end in one of" in invoke("moby_dick", "--out", "plot").stderr
