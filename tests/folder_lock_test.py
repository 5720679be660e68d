"""One process at a time writes to a folder; what a killed one leaves keeps nobody out."""

import io
import json
import os
import signal
import subprocess
import sys

import pytest
from rich.console import Console

from kerasrnn._folder_lock import only_process
from kerasrnn.data import TokenShards, prepare_shards
from kerasrnn.tokenizers import CharTokenizer
from kerasrnn.training import RunFolder, Settings, train

TEXT = "ring a ring o' roses, a pocket full of posies. " * 40
SETTINGS = Settings(units=4, layers=1, epochs=1, batch_size=4, num_steps=16)
HOLDER = """
import sys, time
from kerasrnn._folder_lock import only_process
with only_process(sys.argv[1], "folder", sys.argv[2]):
    print("in", flush=True)
    time.sleep(600)
"""


def trained(text, folder):
    train(text, folder, SETTINGS, prompt=None, console=Console(file=io.StringIO()))
    return RunFolder(folder).load_model()


def prepared(text, folder):
    prepare_shards(text, folder, CharTokenizer())
    return TokenShards(folder)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "rhyme.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.fixture
def hold():
    """Starts another process that has a folder's lock."""
    holders = []

    def hold(folder, doing):
        holders.append(subprocess.Popen([sys.executable, "-c", HOLDER, str(folder), doing], stdout=subprocess.PIPE, text=True))
        assert holders[-1].stdout.readline() == "in\n"
        return holders[-1]

    yield hold
    for holder in holders:
        holder.kill()
        holder.wait()
        holder.stdout.close()


@pytest.mark.parametrize("write", [trained, prepared])
def test_the_second_process_is_refused_until_the_first_is_killed(text, tmp_path, hold, write):
    folder = tmp_path / "out"
    other = hold(folder, write.__name__)
    with pytest.raises(ValueError, match=rf"is being {write.__name__} by process {other.pid}\. .*name another folder"):
        write(text, folder)
    assert [path.name for path in folder.iterdir()] == [".lock"]
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert (folder / ".lock").exists()
    assert write(text, folder)
    assert not (folder / ".lock").exists()


def test_a_run_in_training_can_be_read_and_is_not_changed_by_the_second(text, tmp_path, hold):
    folder = tmp_path / "run"
    trained(text, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    hold(folder, "trained")
    with pytest.raises(ValueError, match="being trained"):
        trained(text, folder)
    assert RunFolder(folder).load_model() and RunFolder(folder).load_corpus()
    assert {path: path.read_bytes() for path in before} == before


def test_workers_share_the_lock_that_the_chief_holds(text, tmp_path, hold, monkeypatch):
    hold(tmp_path / "run", "trained")
    cluster = {"worker": ["localhost:1", "localhost:2"]}
    for index in (0, 1):
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}))
        if index == 0:
            with pytest.raises(ValueError, match="being trained"):
                trained(text, tmp_path / "run")
        else:
            assert trained(text, tmp_path / "run")


def test_a_folder_made_for_nothing_is_removed(tmp_path):
    with pytest.raises(ZeroDivisionError), only_process(tmp_path / "new", "folder", "trained"):
        1 / 0
    assert not (tmp_path / "new").exists()
