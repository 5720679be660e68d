"""What can go wrong while a corpus is prepared as shards, and that nothing half-written remains."""

import errno
import gzip
import os
import pathlib
import subprocess

import numpy as np
import pytest

from kerasrnn._backend import tf
from kerasrnn.data import TokenShards, prepare_shards, shard_sources
from kerasrnn.tokenizers import ByteTokenizer, CharTokenizer

TEXT = "Call me Ishmael. Some years ago, never mind how long précisément…\r\nThere now is your city.\n\n" * 40


def prepared(tmp_path, tokenizer, **options):
    if not (tmp_path / "text.txt").exists():
        (tmp_path / "text.txt").write_bytes(TEXT.encode())
    prepare_shards(tmp_path / "text.txt", tmp_path / "out", tokenizer, **options)
    return tmp_path / "out"


def whole(folder):
    """All parts' token ids, end to end."""
    return np.concatenate([TokenShards(folder, part).token_ids() for part in ("train", "validation", "test")])


def test_a_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.name == "posix" and os.geteuid() == 0
    if (
        not mounted
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=False).returncode
    ):
        pytest.skip("a small disk to fill needs the right to mount one")
    try:
        (tmp_path / "text.txt").write_text("Call me Ishmael.\n" * 30_000)
        with pytest.raises(OSError, match="disk is full.*the same again, which goes on"):
            prepare_shards(tmp_path / "text.txt", disk / "out", CharTokenizer(), shard_bytes=100_000)
        assert {path.name for path in (disk / "out").iterdir()} == {".preparing", "train-00000.bin", "train-00001.bin"}
        assert not [*disk.rglob(".incomplete*")]
        first = (disk / "out/train-00000.bin").stat().st_mtime_ns
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        prepare_shards(tmp_path / "text.txt", disk / "out", tokenizer := CharTokenizer(), shard_bytes=100_000)
        assert (disk / "out/train-00000.bin").stat().st_mtime_ns == first
        np.testing.assert_array_equal(whole(disk / "out"), tokenizer("Call me Ishmael.\n" * 30_000))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_full_at_any_moment(tmp_path, monkeypatch):
    """The disk is full as a file is flushed: first at the first one, then at the second, and so on."""
    fsync, written, failures = os.fsync, 0, 0

    def full_at_once(descriptor):
        nonlocal written
        written += 1
        if written > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", full_at_once)
    while True:
        try:
            written = 0
            folder = prepared(tmp_path, tokenizer := CharTokenizer(), shard_bytes=1500)
            break
        except OSError as error:
            failures += 1
            assert "disk is full" in str(error) and "the same again, which goes on" in str(error) and failures < 20
            assert not [*tmp_path.rglob("*incomplete*")] and not (tmp_path / "out/manifest.json").exists()
            for path in (tmp_path / "out/.preparing").glob("*-*.json"):
                assert (tmp_path / "out" / path.with_suffix(".bin").name).exists()
    assert failures > 2
    np.testing.assert_array_equal(whole(folder), tokenizer(TEXT.replace("\r\n", "\n")))


def test_a_text_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "secret.txt").write_text(TEXT)
    open_ = open

    def refuse(path, *arguments, **options):
        if str(path).endswith("secret.txt"):
            raise PermissionError(13, "Permission denied", str(path))
        return open_(path, *arguments, **options)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError, match="secret.txt' cannot be read: Permission denied. Check its permissions"):
        prepare_shards(tmp_path / "secret.txt", tmp_path / "out", CharTokenizer())
    monkeypatch.undo()
    prepare_shards(tmp_path / "secret.txt", tmp_path / "out", CharTokenizer())
    assert TokenShards(tmp_path / "out").num_tokens


def test_a_shard_that_is_cut_off_while_it_is_read(tmp_path):
    folder = prepared(tmp_path, CharTokenizer())
    dataset = TokenShards(folder).dataset(2, 8)
    (folder / "train-00000.bin").write_bytes(bytes(100))
    with pytest.raises(tf.errors.InvalidArgumentError, match="train-00000.bin"):
        list(dataset)


BAD_TEXTS = [
    ("latin.txt", b"ok\n" * 700 + b"caf\xe9\n" + b"ok\n" * 700, "latin.txt', line 701, has the byte 0xE9 at offset 2103"),
    ("empty.txt", b"", "empty.txt' is empty"),
    ("cut.gz", gzip.compress(bytes(range(256)) * 4, mtime=0)[:-20], "cut.gz' is damaged or truncated"),
    ("none.gz", b"plain", "none.gz' must be compressed by gzip, as its name says"),
]


@pytest.mark.parametrize("name, content, message", BAD_TEXTS)
def test_bad_texts(tmp_path, monkeypatch, name, content, message):
    monkeypatch.setattr(shard_sources, "PIECE", 1000)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        prepare_shards(tmp_path / name, tmp_path / "out", ByteTokenizer())
    assert not [*pathlib.Path(tmp_path).rglob("*incomplete*")]


def test_bad_arguments(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    with pytest.raises(ValueError, match="shard_bytes must be an integer of at least 1"):
        prepared(tmp_path, CharTokenizer(), shard_bytes=0)
    with pytest.raises(ValueError, match="processes must be an integer of at least 1"):
        prepared(tmp_path, CharTokenizer(), processes=0)
    with pytest.raises(ValueError, match="splits must be three shares"):
        prepared(tmp_path, CharTokenizer(), splits=(1, 1, 1))
    with pytest.raises(ValueError, match="no part to train on"):
        prepared(tmp_path, CharTokenizer(), splits=(0, 0.5, 0.5))
    with pytest.raises(FileNotFoundError, match="nowhere.txt"):
        prepare_shards(tmp_path / "nowhere.txt", tmp_path / "new", CharTokenizer())
    assert not (tmp_path / "new").exists()
