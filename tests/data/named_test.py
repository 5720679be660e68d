import dataclasses
import functools
import hashlib
import os
from pathlib import Path

import pytest

from kerasrnn._backend import keras
from kerasrnn.data import load_corpus, named

CONTENT = b"The Time Traveller (for so it will be convenient to speak of him)"


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Replaces the network by a folder of files, and Keras's cache by another."""
    monkeypatch.delenv("KERASRNN_DATA", raising=False)
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(keras.utils, "get_file", functools.partial(keras.utils.get_file, cache_dir=tmp_path / "cache"))
    source = tmp_path / "source.txt"
    download = dataclasses.replace(
        named._DOWNLOADS["time_machine"], url=source.as_uri(), sha256=hashlib.sha256(CONTENT).hexdigest()
    )
    monkeypatch.setitem(named._DOWNLOADS, "time_machine", download)
    return source


def test_moby_dick_comes_with_the_package():
    corpus = load_corpus("moby_dick")
    assert corpus.name == "moby_dick"
    assert [len(part) for part in (corpus.train, corpus.validation, corpus.test)] == [1071285, 59516, 59516]
    assert len(set(corpus.train + corpus.validation + corpus.test)) == 83


@pytest.mark.parametrize("name, length", [("time_machine", 178979), ("tiny_shakespeare", 1115394)])
def test_corpora_in_the_data_folder(name, length):
    path = Path(os.environ.get("KERASRNN_DATA", "")) / named._DOWNLOADS[name].path
    if not path.exists():
        pytest.skip(f"{path} is not there: set KERASRNN_DATA to the folder of data sets")
    corpus = load_corpus(name, splits=(0.9, 0.1, 0))
    assert len(corpus.train) + len(corpus.validation) == length
    assert corpus.test == ""


def test_downloads_once(offline):
    offline.write_bytes(CONTENT)
    first = load_corpus("time_machine", splits=(1, 0, 0))
    offline.unlink()
    assert load_corpus("time_machine", splits=(1, 0, 0)) == first
    assert first.train.encode() == CONTENT


def test_the_data_folder_comes_before_the_network(offline, tmp_path, monkeypatch):
    monkeypatch.setenv("KERASRNN_DATA", str(tmp_path))
    (tmp_path / "time_machine").mkdir()
    (tmp_path / "time_machine/timemachine.txt").write_bytes(CONTENT)
    assert load_corpus("time_machine", splits=(1, 0, 0)).train.encode() == CONTENT


def test_without_network_tells_what_to_do(offline):
    with pytest.raises(ConnectionError, match="'time_machine'.*time_machine/timemachine.txt.*KERASRNN_DATA"):
        load_corpus("time_machine")


def test_another_file_is_refused(offline):
    offline.write_bytes(b"another text")
    expected, found = hashlib.sha256(CONTENT).hexdigest(), hashlib.sha256(b"another text").hexdigest()
    with pytest.raises(ValueError, match=f"time_machine.txt' must have .* {expected}, but has {found}"):
        load_corpus("time_machine")


def test_unknown_name():
    with pytest.raises(
        ValueError, match="'moby_dick', 'time_machine', 'tiny_shakespeare', but is 'odyssey'.*from_files"
    ):
        load_corpus("odyssey")
