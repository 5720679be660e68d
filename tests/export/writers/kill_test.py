"""A writer killed at any moment leaves the old artefact or the new one, whole, and nothing that stays."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from kerasrnn.export._manifest import read_manifest, write_manifest
from kerasrnn.export.writers._folder import complete_or_nothing, next_version
from manifests import WHOLE

FAKE = {**WHOLE, "kind": "fake"}

# Replaces the artefact or adds a version, again and again; or once, killed as it comes to the line of that number.
WRITER = """
import errno, json, os, signal, sys
from pathlib import Path
from kerasrnn.export._manifest import write_manifest
from kerasrnn.export.writers import _folder
FAKE = json.loads(sys.argv.pop())

kind, path, renames, deadly = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
if renames == "in two renames":
    _folder._system_rename = lambda *_: errno.ENOSYS
lines = 0

def trace(frame, event, argument):
    global lines
    lines += event == "line"
    if lines == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return trace

def export():
    with _folder.next_version(path, keep=1) if kind == "versions" else _folder.complete_or_nothing(path) as draft:
        folder = getattr(draft, "folder", draft)
        for name in "abc":
            (folder / name).write_text("new" * 10_000)
        write_manifest(folder, FAKE)

if deadly < 0:
    print("ready", flush=True)
    while True:
        export()
sys.settrace(trace)
export()
sys.settrace(None)
print(lines)
"""

NEVER = 10**9
KINDS = pytest.mark.parametrize("kind", ["artefact", "versions"])
RENAMES = pytest.mark.parametrize("renames", ["in one step", "in two renames"])


def writer(kind, path, renames, deadly):
    command = [sys.executable, "-c", WRITER, kind, path, renames, str(deadly), json.dumps(FAKE)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def export(kind, path, text):
    with next_version(path, keep=1) if kind == "versions" else complete_or_nothing(path) as draft:
        folder = getattr(draft, "folder", draft)
        for name in "abc":
            (folder / name).write_text(text)
        write_manifest(folder, FAKE)


def visible(path):
    return [child for child in path.iterdir() if not child.name.startswith(".")]


def check_whole(folder):
    texts = {(folder / name).read_text() for name in read_manifest(folder)["files"]}
    assert texts in ({"old"}, {"new" * 10_000})


def check_after_kill(kind, path, renames):
    """What is there under a name that counts is whole; the next export, even one that fails, removes the rest."""
    if kind == "versions":
        assert visible(path)
        for version in visible(path):
            check_whole(version)
    else:
        assert visible(path.parent) in ([path], []) if renames == "in two renames" else [path]
        if path.exists():
            check_whole(path)
    with pytest.raises(ZeroDivisionError):
        with next_version(path) if kind == "versions" else complete_or_nothing(path):
            1 / 0
    for folder in visible(path) if kind == "versions" else [path]:
        check_whole(folder)
    assert [child for child in [*path.parent.iterdir(), *path.iterdir()] if child.name.startswith(".")] == []
    export(kind, path, "old")
    assert [child.name for child in path.parent.iterdir()] == [path.name]


def kill_at_lines(kind, tmp_path, renames, number):
    path = tmp_path / "out"
    export(kind, path, "old")
    lines = int(writer(kind, path, renames, NEVER).communicate()[0])
    assert lines > 500
    for deadly in sorted(random.Random(0).sample(range(1, lines), number)):
        process = writer(kind, path, renames, deadly)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        check_after_kill(kind, path, renames)


def kill_at_times(kind, tmp_path, renames, number):
    path, moments = tmp_path / "out", random.Random(0)
    export(kind, path, "old")
    for _ in range(number):
        process = writer(kind, path, renames, -1)
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0, 0.03))
        process.kill()
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        check_after_kill(kind, path, renames)


@KINDS
@RENAMES
def test_killed_at_some_lines(kind, renames, tmp_path):
    kill_at_lines(kind, tmp_path, renames, 20)


@KINDS
@RENAMES
def test_killed_at_some_times(kind, renames, tmp_path):
    kill_at_times(kind, tmp_path, renames, 10)


@pytest.mark.slow
@KINDS
@RENAMES
def test_killed_at_many_lines(kind, renames, tmp_path):
    kill_at_lines(kind, tmp_path, renames, 400)


@pytest.mark.slow
@KINDS
@RENAMES
def test_killed_at_many_times(kind, renames, tmp_path):
    kill_at_times(kind, tmp_path, renames, 300)
