"""A folder appears whole or not at all: with several writers, readers meanwhile, no room, no right to write."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kerasrnn.export._manifest import read_manifest, write_manifest
from kerasrnn.export.writers import _folder
from kerasrnn.export.writers._folder import complete_or_nothing, next_version

FAKE = {
    "kind": "fake", "versions": {}, "model": {"class_name": "Model", "parameters": 0}, "signatures": {}, "states": [],
    "vocabulary_size": None, "tokenizer": None, "parity": {"checks": []},
}  # fmt: skip


def fill(folder, text, pause=0.0):
    (folder / "variables").mkdir()
    for name in ("a.onnx", "variables/b.bin", "c.txt"):
        (folder / name).write_text(text * 50)
        time.sleep(pause)
    write_manifest(folder, FAKE)


def text_of(folder):
    """The text of a whole artefact: all its files were written by one writer."""
    (text,) = {(folder / name).read_text() for name in read_manifest(folder)["files"]}
    return text[0]


def export(target, text, pause=0.0):
    with complete_or_nothing(target) as folder:
        fill(folder, text, pause)


def export_version(path, text, keep=None, pause=0.0):
    with next_version(path, keep) as version:
        fill(version.folder, text, pause)
    return version.path


def names(folder):
    return sorted(child.name for child in folder.iterdir())


@pytest.fixture(params=["in one step", "in two renames"])
def renames(request, monkeypatch):
    """With and without a system that can exchange two names."""
    if request.param == "in two renames":
        monkeypatch.setattr(_folder, "_system_rename", lambda *_: errno.ENOSYS)


def test_the_system_exchanges_names(tmp_path):
    if sys.platform != "linux":
        pytest.skip("what the other tests call 'in one step' is certain on Linux only")
    (tmp_path / "a").mkdir(), (tmp_path / "b" / "c").mkdir(parents=True)
    assert _folder._system_rename(tmp_path / "a", tmp_path / "b", _folder._NO_REPLACE) == errno.EEXIST
    assert _folder._system_rename(tmp_path / "a", tmp_path / "b", _folder._EXCHANGE) == 0
    assert names(tmp_path / "a") == ["c"] and names(tmp_path / "b") == []


def test_new_then_replaced(renames, tmp_path):
    target = tmp_path / "deep" / "out [1]"
    for text in "xyz":
        export(target, text)
        assert text_of(target) == text and names(target.parent) == ["out [1]"]
    assert target.stat().st_mode & 0o777 == (tmp_path / "deep").stat().st_mode & 0o777


def test_an_empty_folder_is_filled(renames, tmp_path):
    (tmp_path / "out").mkdir()
    export(tmp_path / "out", "x")
    assert text_of(tmp_path / "out") == "x" and names(tmp_path) == ["out"]


@pytest.mark.parametrize("content", ["a file", "a folder", "a web application"])
def test_what_is_no_artefact_stays(tmp_path, content):
    target = tmp_path / "out"
    if content == "a file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / ("notes" if content == "a folder" else "manifest.json")).write_text('{"name": "mine"}')
    with pytest.raises(FileExistsError, match=f"{target}: exists and holds no exported model.*Give the path"):
        export(target, "x")
    assert names(tmp_path) == ["out"]


def test_what_came_while_writing_stays(tmp_path):
    with pytest.raises(FileExistsError, match="holds no exported model"):
        with complete_or_nothing(tmp_path / "out") as folder:
            fill(folder, "x")
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "notes").write_text("mine")
    assert names(tmp_path) == ["out"] and names(tmp_path / "out") == ["notes"]


def test_a_link_is_followed(tmp_path):
    export(tmp_path / "disk" / "real", "x")
    (tmp_path / "out").symlink_to("disk/real")
    export(tmp_path / "out", "y")
    assert text_of(tmp_path / "disk" / "real") == "y" and (tmp_path / "out").is_symlink()
    assert names(tmp_path) == ["disk", "out"] and names(tmp_path / "disk") == ["real"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_failure_leaves_what_was(tmp_path, error):
    export(tmp_path / "out", "x")
    with pytest.raises(type(error)):
        with complete_or_nothing(tmp_path / "out") as folder:
            fill(folder, "y")
            raise error
    with pytest.raises(type(error)):
        with next_version(tmp_path / "versions", keep=1) as version:
            fill(version.folder, "y")
            raise error
    assert text_of(tmp_path / "out") == "x" and names(tmp_path) == ["out", "versions"]
    assert version.path is None and names(tmp_path / "versions") == []


def test_a_rename_that_fails_puts_the_old_one_back(tmp_path, monkeypatch):
    export(tmp_path / "out", "x")
    monkeypatch.setattr(_folder, "_system_rename", lambda *_: errno.ENOSYS)
    rename = Path.rename

    def fails(path, target):
        if path.suffix == ".incomplete" and not Path(target).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="No space left.*nothing was written"):
        export(tmp_path / "out", "y")
    assert text_of(tmp_path / "out") == "x" and names(tmp_path) == ["out"]


@pytest.mark.parametrize("there", [True, False])
def test_what_killed_writers_left(tmp_path, there):
    """Drafts go; an old artefact comes back if its writer was killed between two renames; what looks otherwise stays."""
    if there:
        export(tmp_path / "out", "x")
    for name in (".out.01234567.incomplete", ".out.89abcdef.old", ".out.b.89abcdef.old", ".out.notes.old", ".out.old"):
        export(tmp_path / name, "y")
    with pytest.raises(ZeroDivisionError):
        with complete_or_nothing(tmp_path / "out"):
            1 / 0
    assert names(tmp_path) == [".out.b.89abcdef.old", ".out.notes.old", ".out.old", "out"]
    assert text_of(tmp_path / "out") == ("x" if there else "y")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_all_is_on_the_disk_before_it_appears(renames, tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(Path(os.readlink(f"/proc/self/fd/{descriptor}"))))
    for write, parent, place in ((export, tmp_path, "out"), (export_version, tmp_path / "versions", "1")):
        write(parent / place if place == "out" else parent, "x")
        *within, last = flushed
        draft = within[-1]
        assert draft.parent == last == parent and draft.suffix == ".incomplete"
        assert sorted(path.relative_to(draft) for path in within) == sorted(
            path.relative_to(parent / place) for path in [parent / place, *(parent / place).rglob("*")]
        )
        flushed.clear()


def test_a_living_writer_is_left_alone(renames, tmp_path):
    with complete_or_nothing(tmp_path / "out") as first, next_version(tmp_path / "versions") as version:
        export(tmp_path / "out", "x")
        assert export_version(tmp_path / "versions", "x").name == "1"
        code = "import sys; sys.path.insert(0, sys.argv[1]); from folder_test import *; export(Path(sys.argv[2]), 'y')"
        subprocess.run([sys.executable, "-c", code, Path(__file__).parent, tmp_path / "out"], check=True)
        fill(first, "z"), fill(version.folder, "z")
    assert text_of(tmp_path / "out") == "z" and names(tmp_path) == ["out", "versions"]
    assert version.path == tmp_path / "versions" / "2" and names(version.path.parent) == ["1", "2"]


def test_writers_and_readers_at_once(renames, tmp_path, request):
    """Eight threads replace one artefact; whoever reads it meanwhile finds a whole one."""
    target, read = tmp_path / "out", 0
    export(target, "x")

    def write(text):
        for _ in range(10):
            export(target, text, pause=0.001)

    with ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(write, text) for text in "abcdefgh"]
        while not all(writer.done() for writer in writers):
            try:
                read_manifest(target)
                read += 1
            except FileNotFoundError:
                assert "two renames" in request.node.name
        for writer in writers:
            writer.result()
    assert read and text_of(target) in "abcdefgh" and names(tmp_path) == ["out"]


def test_versions_by_threads_at_once(renames, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        texts = [chr(ord("A") + i) for i in range(40)]
        paths = list(pool.map(lambda text: export_version(tmp_path, text, pause=0.002), texts))
    assert sorted(int(path.name) for path in paths) == list(range(1, 41)) and len(names(tmp_path)) == 40
    assert [text_of(path) for path in paths] == texts


@pytest.mark.parametrize("kind", ["artefact", "versions"])
def test_processes_at_once(tmp_path, kind):
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from folder_test import *
for _ in range(10):
    (export if sys.argv[2] == "artefact" else export_version)(Path(sys.argv[3]), sys.argv[4], pause=0.002)
"""
    command = [sys.executable, "-c", code, Path(__file__).parent, kind, tmp_path / "out"]
    processes = [subprocess.Popen([*command, text]) for text in "abcd"]
    assert [process.wait() for process in processes] == [0] * 4
    if kind == "artefact":
        assert text_of(tmp_path / "out") in "abcd"
    else:
        assert sorted(map(int, names(tmp_path / "out"))) == list(range(1, 41))
        assert sorted(text_of(path) for path in (tmp_path / "out").iterdir()) == sorted("abcd" * 10)
    assert names(tmp_path) == ["out"]


def test_versions_count_up_from_the_largest_integer(renames, tmp_path):
    for name in ("7", "٣٠", "8a", "-9", ".version.old", "notes"):
        (tmp_path / name).mkdir()
    assert export_version(tmp_path, "x") == tmp_path / "8"
    (tmp_path / "9").write_text("a file")
    assert export_version(tmp_path, "x") == tmp_path / "10"


def test_a_number_taken_meanwhile_stays(tmp_path):
    with next_version(tmp_path) as version:
        fill(version.folder, "x")
        (tmp_path / "1").mkdir()
    assert version.path == tmp_path / "2" and names(tmp_path / "1") == []


def test_an_empty_folder_of_the_number_stays(tmp_path, monkeypatch):
    (tmp_path / "1").mkdir()
    versions = iter([[], [tmp_path / "1"]])  # as if it came between looking and renaming
    monkeypatch.setattr(_folder, "versions_in", lambda path: next(versions))
    assert export_version(tmp_path, "x") == tmp_path / "2" and names(tmp_path / "1") == []


@pytest.mark.parametrize("keep, left", [(1, [6]), (2, [5, 6]), (5, [2, 3, 4, 5, 6]), (6, range(1, 7)), (99, range(1, 7))])
def test_keep(tmp_path, keep, left):
    for _ in range(5):
        export_version(tmp_path, "x")
    shutil.copytree(tmp_path / "1", tmp_path / "3.5")
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "manifest.json").write_text('{"name": "of something else"}')
    assert export_version(tmp_path, "y", keep) == tmp_path / "6"
    assert names(tmp_path) == sorted(["0", "3.5", *map(str, left)])


@pytest.mark.parametrize("keep", [0, -1, 1.5, "2", True])
def test_keep_is_checked_before_the_work(tmp_path, keep):
    with pytest.raises(ValueError, match=f"keep: expected .* at least 1, or None.*received {keep!r}"):
        export_version(tmp_path / "out", "x", keep)
    assert names(tmp_path) == []


def test_versions_do_not_go_into_an_artefact(tmp_path):
    export(tmp_path / "out", "x")
    with pytest.raises(FileExistsError, match="is an exported model itself.*Give another folder"):
        export_version(tmp_path / "out", "x")


@pytest.fixture
def disk(tmp_path):
    """A file system of 256 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not shutil.which("mount") or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("kilobytes", [0, 8, 100, 200, 204, 208, 212])
def test_a_full_disk(disk, kilobytes):
    """Whatever is being written when there is no more room: a large file, a small one, the manifest."""
    export(disk / "out", "x")
    export_version(disk / "versions", "x")
    space = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes(space.f_bavail * space.f_bsize - 1024 * kilobytes))
    free = os.statvfs(disk).f_bavail
    for path, writer in ((disk / "out", complete_or_nothing), (disk / "versions", next_version)):
        with pytest.raises(OSError, match=f"No space left.*nothing was written.*{path}") as raised:
            with writer(path) as draft:
                folder = getattr(draft, "folder", draft)
                (folder / "large").write_bytes(bytes(1024 * 200))
                fill(folder, "y")
        assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(path))
        assert os.statvfs(disk).f_bavail == free
    assert text_of(disk / "out") == "x" and text_of(disk / "versions" / "1") == "x"
    assert names(disk) == ["ballast", "out", "versions"] and names(disk / "versions") == ["1"]


def test_an_error_of_tensorflow_s_for_a_full_disk_is_told_so(tmp_path):
    with pytest.raises(OSError, match=f"No space left.*nothing was written.*{tmp_path}") as raised:
        with next_version(tmp_path) as version:
            raise RuntimeError(f"{version.folder}/variables/part-00000; No space left on device [Op:SaveV2]")
    assert raised.value.errno == errno.ENOSPC and names(tmp_path) == []


@pytest.mark.parametrize("error", [RuntimeError("No space left on device"), FileNotFoundError(errno.ENOENT, "No such file")])
def test_an_error_of_something_else_s_stays(tmp_path, error):
    with pytest.raises(type(error)) as raised:
        with next_version(tmp_path):
            raise error
    assert raised.value is error


def test_a_read_only_disk(disk):
    export(disk / "out", "x")
    export_version(disk / "versions", "x")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for place, write in (("out", export), ("new", export), ("versions", export_version), ("deep/new", export_version)):
        with pytest.raises(OSError, match=f"Read-only.*nothing was written.*Make room.*{disk / place}"):
            write(disk / place, "y")
    assert text_of(disk / "out") == "x" and names(disk) == ["out", "versions"] and names(disk / "versions") == ["1"]


def test_a_mount_point_cannot_be_replaced(disk):
    with pytest.raises(FileExistsError, match=f"{disk}: is a mount point.*Give the path of a folder in it"):
        export(disk, "x")
    assert export_version(disk, "x") == disk / "1"


def test_no_right_to_write():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        path = Path(folder).resolve()
        export(path / "out", "x")
        path.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            for write in (export, export_version):
                with pytest.raises(PermissionError, match=f"nothing was written.*{path / 'new'}"):
                    write(path / "new", "y")
            with pytest.raises(PermissionError, match=f"nothing was written.*{path / 'out'}"):
                export(path / "out", "y")
        finally:
            if root:
                os.seteuid(0)
            path.chmod(0o755)
        assert text_of(path / "out") == "x" and names(path) == ["out"]


@pytest.mark.parametrize("taken, expected", [(str(2**63 - 2), str(2**63 - 1)), (str(2**63), "1"), ("9" * 200, "1")])
def test_versions_are_numbers_of_64_bits(tmp_path, taken, expected):
    (tmp_path / "out" / taken).mkdir(parents=True)
    assert export_version(tmp_path / "out", "x") == tmp_path / "out" / expected


def test_after_the_last_version_there_is_none(tmp_path):
    (tmp_path / "out" / str(2**63 - 1)).mkdir(parents=True)
    with pytest.raises(ValueError, match="expected versions below 9223372036854775807"):
        export_version(tmp_path / "out", "x")
    assert names(tmp_path / "out") == [str(2**63 - 1)]
