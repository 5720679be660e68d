"""Files that appear complete or not at all."""

import os
import threading

import pytest

from kerasrnn._files import read_json, write_json, write_stream, write_whole


def names(folder):
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "interrupted"])
@pytest.mark.parametrize("write", [write_whole, write_stream])
def test_an_error_leaves_what_was_there_before(tmp_path, write, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")

    def fails(target):
        (target.write if write is write_stream else target.write_bytes)(b"half")
        raise error

    with pytest.raises(type(error)):
        write(path, fails)
    assert path.read_bytes() == b"before" and names(tmp_path) == ["a.bin"]


def test_the_rename_comes_after_the_content_is_on_the_disk(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr("os.fsync", lambda descriptor: (calls.append("fsync"), fsync(descriptor)))
    monkeypatch.setattr("os.replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    assert write_stream(tmp_path / "new" / "folder" / "a.bin", lambda file: file.write(b"whole")) == 5
    assert calls == ["fsync", "replace"] and names(tmp_path / "new" / "folder") == ["a.bin"]


def test_savers_see_the_end_of_the_name(tmp_path):
    write_whole(tmp_path / "model.weights.h5", lambda beside: beside.write_text(beside.name))
    assert (tmp_path / "model.weights.h5").read_text().endswith(".model.weights.h5")


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path, both = tmp_path / "a.bin", threading.Barrier(2)

    def write(content):
        def slowly(file):
            file.write(content)
            both.wait(timeout=30)
            file.write(content)

        write_stream(path, slowly)

    threads = [threading.Thread(target=write, args=[letter * 1000]) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in (b"a" * 2000, b"b" * 2000) and names(tmp_path) == ["a.bin"]


def test_what_a_killed_process_left_is_removed_once_it_is_old(tmp_path):
    for name in (".incomplete.0.a.bin", ".incomplete.1.a.bin", ".incomplete.0.b.bin"):
        (tmp_path / name).write_bytes(b"half")
        if name != ".incomplete.1.a.bin":
            os.utime(tmp_path / name, (0, 0))
    write_stream(tmp_path / "a.bin", lambda file: file.write(b"whole"))
    assert names(tmp_path) == [".incomplete.0.b.bin", ".incomplete.1.a.bin", "a.bin"]


def test_json_comes_back(tmp_path):
    value = {"é": [1, None, "\u2028"]}
    for indent in (None, 1):
        write_json(tmp_path / "a.json", value, indent)
        assert read_json(tmp_path / "a.json") == value
