"""An artefact with a missing, truncated or altered file is refused by that file's name."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasrnn.export._manifest import ArtefactError, read_manifest, write_manifest
from kerasrnn.export.runtime import load


@pytest.fixture
def copy(onnx_folder, tmp_path):
    return shutil.copytree(onnx_folder, tmp_path / "copy")


@pytest.mark.parametrize("name", ["forward.onnx", "step.onnx"])
def test_missing(copy, name):
    (copy / name).unlink()
    with pytest.raises(ArtefactError, match=f"{name}: missing"):
        load(copy)


@pytest.mark.parametrize("name", ["forward.onnx", "step.onnx"])
@pytest.mark.parametrize("left", [0, 1, -1])
def test_truncated(copy, name, left):
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[:left])
    with pytest.raises(ArtefactError, match=f"{name}: expected {len(data):,} bytes"):
        load(copy)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["forward.onnx", "step.onnx"]), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_any_flipped_bit(copy, name, where, bit):
    data = bytearray((copy / name).read_bytes())
    data[int(where * len(data))] ^= 1 << bit
    original = (copy / name).read_bytes()
    (copy / name).write_bytes(data)
    try:
        with pytest.raises(ArtefactError, match=f"{name}: its SHA-256"):
            load(copy)
    finally:
        (copy / name).write_bytes(original)


def test_swapped_files(copy):
    (copy / "forward.onnx").rename(copy / "aside")
    (copy / "step.onnx").rename(copy / "forward.onnx")
    (copy / "aside").rename(copy / "step.onnx")
    with pytest.raises(ArtefactError, match="forward.onnx"):
        load(copy)


def test_no_manifest_or_no_folder(copy, tmp_path):
    with pytest.raises(FileNotFoundError, match="expected an exported model"):
        load(tmp_path / "nowhere")
    (copy / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match="manifest.json"):
        load(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"version": 1, "files": {}}', '{"format": "kerasrnn", "version": "1", "files": {}}',
                                  '{"format": "kerasrnn", "version": 1, "files": {"forward.onnx": {}}}',
                                  '{"format": "kerasrnn", "version": 1, "files": {}}'])  # fmt: skip
def test_not_a_manifest(copy, text):
    (copy / "manifest.json").write_text(text)
    with pytest.raises(ArtefactError, match="manifest"):
        load(copy)


def edit(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_newer_version(copy):
    edit(copy, version=2)
    with pytest.raises(ArtefactError, match="version 2 of the format; this kerasrnn reads up to 1"):
        load(copy)


def test_a_saved_model_is_no_onnx_export(saved_model_folder):
    assert read_manifest(saved_model_folder)["kind"] == "saved_model"
    with pytest.raises(ArtefactError, match="expected an ONNX export"):
        load(saved_model_folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname"])
def test_files_outside_the_folder_are_not_read(copy, name):
    (copy.parent / "secret").write_text("")
    edit(copy, files={name: {"sha256": "", "bytes": 0}})
    with pytest.raises(ArtefactError, match="outside its folder"):
        load(copy)


def test_links_that_lead_outside_are_not_followed(copy):
    (copy / "step.onnx").rename(copy.parent / "elsewhere.onnx")
    (copy / "step.onnx").symlink_to(copy.parent / "elsewhere.onnx")
    with pytest.raises(ArtefactError, match="outside its folder"):
        load(copy)


def test_write_then_read(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ü.bin").write_bytes(b"123")
    write_manifest(tmp_path, {"kind": "onnx"})
    assert read_manifest(tmp_path)["files"]["sub/ü.bin"]["bytes"] == 3
