import gzip
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from kerasrnn.cli import app
from kerasrnn.data import (
    Corpus,
    TokenShards,
    prepare_shards,
    shard_job,
    shard_sources,
    shard_writer,
)
from kerasrnn.tokenizers import ByteTokenizer, CharTokenizer, WordTokenizer

TEXT = "Call me Ishmael. Some years ago, never mind how long précisément…\r\nThere now is your city.\n\n" * 40


def prepared(tmp_path, tokenizer, files=1, **options):
    paths = []
    for number in range(files):
        paths.append(tmp_path / f"text{number}.txt")
        if not paths[-1].exists():
            paths[-1].write_bytes(TEXT.encode())
    prepare_shards(paths, tmp_path / "out", tokenizer, **options)
    return tmp_path / "out"


def whole(folder):
    """All parts' token ids, end to end."""
    parts = json.loads((folder / "manifest.json").read_text())["parts"]
    return np.concatenate([TokenShards(folder, part).token_ids() for part in parts if parts[part]])


@pytest.mark.parametrize(
    "tokenizer",
    [
        CharTokenizer(),
        CharTokenizer(standardize="letters"),
        CharTokenizer(normalization="NFC"),
        ByteTokenizer(),
        WordTokenizer(),
    ],
    ids=["char", "letters", "nfc", "byte", "word"],
)
def test_shards_hold_the_tokens_of_the_text(tmp_path, monkeypatch, tokenizer):
    monkeypatch.setattr(shard_sources, "PIECE", 300)
    folder = prepared(tmp_path, tokenizer, files=2, shard_bytes=1000)
    text = TEXT.replace("\r\n", "\n")
    np.testing.assert_array_equal(whole(folder), tokenizer.tokenize(f"{text}\n{text}").numpy())
    train = TokenShards(folder, tokenizer=tokenizer)
    assert train.num_shards > 5 and [*train.documents] == [0, len(tokenizer.tokenize(text + "\n"))]
    assert {path.name.rstrip("0123456789.bin") for path in folder.iterdir()} == {
        "manifest.jso",
        "train-",
        "validation-",
        "test-",
    }


@given(
    st.lists(st.text(st.sampled_from("ab \r\n\té€𝄞é"), min_size=1), min_size=1, max_size=3),
    st.integers(1, 40),
    st.booleans(),
)
@settings(deadline=None, max_examples=25)
def test_any_text_in_any_pieces(tmp_path_factory, texts, shard_bytes, packed):
    folder = tmp_path_factory.mktemp("texts")
    tokenizer = CharTokenizer(["\ufffd", "\n", *"ab \r\té€𝄞́"])
    paths = [folder / f"{number}.txt{'.gz' * packed}" for number in range(len(texts))]
    for path, text in zip(paths, texts):
        path.write_bytes(gzip.compress(text.encode(), mtime=0) if packed else text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_sources, "PIECE", 8)
        prepare_shards(paths, folder / "out", tokenizer, (0.5, 0.3, 0.2), shard_bytes)
    assert tokenizer.detokenize(whole(folder / "out")).numpy().decode() == "\n".join(text.replace("\r\n", "\n") for text in texts)


def test_the_parts_of_a_corpus_are_kept(tmp_path):
    corpus = Corpus("abcabc", "", "cab")
    prepare_shards(corpus, tmp_path, tokenizer := CharTokenizer())
    assert tokenizer.get_vocabulary() == ["\ufffd", "\n", "a", "b", "c"]
    assert TokenShards(tmp_path, "test").token_ids().tolist() == [4, 2, 3]
    with pytest.raises(ValueError, match="has none for 'validation'"):
        TokenShards(tmp_path, "validation")


def test_the_vocabulary_is_of_the_part_to_train_on(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("a" * 90 + "b" * 10)
    prepare_shards(path, tmp_path / "out", tokenizer := CharTokenizer(), (0.9, 0.1, 0))
    assert tokenizer.get_vocabulary() == ["\ufffd", "\n", "a"]
    assert TokenShards(tmp_path / "out", "validation").token_ids().tolist() == [0] * 10


def test_a_byte_order_mark_is_no_text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbfab")
    prepare_shards(path, tmp_path / "out", tokenizer := CharTokenizer(), (1, 0, 0))
    assert tokenizer.detokenize(whole(tmp_path / "out")).numpy() == b"ab"


def test_goes_on_after_an_error(tmp_path, monkeypatch):
    run, done = shard_job.run, []

    def fails_at_the_fourth(job, *arguments):
        if len(done) == 3:
            raise KeyboardInterrupt
        run(job, *arguments)
        done.append(job.path.name)

    monkeypatch.setattr(shard_job, "run", fails_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        prepared(tmp_path, CharTokenizer(), shard_bytes=1000)
    assert not (tmp_path / "out/manifest.json").exists()
    with pytest.raises(FileNotFoundError, match="has no manifest.json. Run: kerasrnn prepare"):
        TokenShards(tmp_path / "out")
    damaged = tmp_path / "out" / done[1]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    again = []
    monkeypatch.setattr(shard_job, "run", lambda job, *arguments: (run(job, *arguments), again.append(job.path.name)))
    folder = prepared(tmp_path, tokenizer := CharTokenizer(), shard_bytes=1000)
    assert done[1] in again and done[0] not in again and done[2] not in again
    np.testing.assert_array_equal(whole(folder), tokenizer(TEXT.replace("\r\n", "\n")))

    before = (folder / "manifest.json").read_bytes()
    (folder / done[0]).unlink()
    again.clear()
    prepared(tmp_path, CharTokenizer(), shard_bytes=1000)
    assert again == [done[0]] and (folder / "manifest.json").read_bytes() == before


def test_another_preparation_in_the_folder(tmp_path):
    folder = prepared(tmp_path, CharTokenizer())
    with pytest.raises(ValueError, match="was prepared from another corpus .* or with other options"):
        prepared(tmp_path, CharTokenizer(lowercase=True))
    (tmp_path / "text0.txt").write_text("another text")
    with pytest.raises(ValueError, match="was prepared from another corpus"):
        prepared(tmp_path, CharTokenizer())
    with pytest.raises(ValueError, match="holds other files"):
        prepare_shards(tmp_path / "text0.txt", tmp_path, CharTokenizer())
    assert TokenShards(folder).num_tokens


def test_one_at_a_time(tmp_path):
    (tmp_path / "out").mkdir()
    with shard_writer.only_process(tmp_path / "out", "out", "prepared"), pytest.raises(ValueError, match="is being prepared by process"):
        prepared(tmp_path, CharTokenizer())
    assert TokenShards(prepared(tmp_path, CharTokenizer())).num_tokens


CHILD = """
import sys, kerasrnn
if __name__ == "__main__":
    tokenizer = kerasrnn.tokenizers.CharTokenizer()
    kerasrnn.data.prepare_shards(sys.argv[1], sys.argv[2], tokenizer, shard_bytes=2000, processes=int(sys.argv[3]))
"""


def child(tmp_path, processes):
    (tmp_path / "child.py").write_text(CHILD)
    return [sys.executable, str(tmp_path / "child.py"), str(tmp_path / "text.txt"), str(tmp_path / "out"), str(processes)]


@pytest.mark.slow
def test_processes_and_a_kill(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT * 200)
    with subprocess.Popen(child(tmp_path, 2), stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while len([*tmp_path.glob("out/.preparing/train-*")]) < 5 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "out/manifest.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/*.bin")}
    assert kept
    run = subprocess.run(child(tmp_path, 2), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert sum(path.stat().st_mtime_ns == when for path, when in kept.items()) >= len(kept) - 4
    assert not [*(tmp_path / "out").glob(".*")]
    shards = TokenShards(tmp_path / "out", tokenizer=None)
    np.testing.assert_array_equal(whole(tmp_path / "out"), shards.tokenizer(TEXT * 200))


@pytest.mark.parametrize("kind, options", [("byte", []), ("subword", ["vocabulary_size=300", "model_type=bpe"])])
def test_the_command_with_other_tokenizers(tmp_path, kind, options):
    if kind == "subword":
        pytest.importorskip("sentencepiece")
        pytest.importorskip("tensorflow_text")
    text = "".join(f"{number} Some years ago, never mind how long précisément…\n" for number in range(400))
    (tmp_path / "text.txt").write_text(text)
    given = [argument for option in options for argument in ("--option", option)]
    command = ["prepare", str(tmp_path / "text.txt"), "--out", str(tmp_path / "out"), "--tokenizer", kind, *given]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, command)
    assert result.exit_code == 0, result.output
    shards = TokenShards(tmp_path / "out")
    size = shards.tokenizer.vocabulary_size()
    assert (size == 300) == (kind == "subword") and type(shards.tokenizer).__name__.lower() == f"{kind}tokenizer"
    assert shards.tokenizer.detokenize(whole(tmp_path / "out")).numpy().decode() == text
    token_ids, targets = next(iter(shards.dataset(4, 16, seed=1)))
    assert token_ids.shape == targets.shape == (4, 16) and int(np.max(targets)) < size
