"""A missing, truncated, swapped or altered file of an artefact is refused by its name, and the manifest is such a file."""

import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from kerasrnn._portable.arguments import SETTINGS
from kerasrnn.cli.inspect import inspect
from kerasrnn.export import _manifest
from kerasrnn.export._manifest import ArtefactError, is_artefact, read_manifest, write_manifest
from kerasrnn.export.runtime import load
from kerasrnn.export.runtime.forecasting import forecast_inputs
from kerasrnn.export.runtime.limits import Deadline
from manifests import WHOLE

BUNDLES = Path(__file__).parent / "bundles"


@pytest.fixture
def copy(onnx_folder, tmp_path):
    return shutil.copytree(onnx_folder, tmp_path / "copy")


@pytest.fixture(params=["onnx", "saved_model"])
def either(request, tmp_path):
    """A copy of an artefact of either kind."""
    return shutil.copytree(request.getfixturevalue(f"{request.param}_folder"), tmp_path / "copy")


def all_files(folder):
    return [*read_manifest(folder)["files"], "manifest.json"]


def flip(path, position, bit):
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1 << bit]))


def test_any_flipped_bit(either):
    """In every file: the first bytes, the last ones, and 50 others."""
    chance = random.Random(0)
    for name in all_files(either):
        path = either / name
        size = path.stat().st_size
        for position in [0, 1, size - 2, size - 1, *(chance.randrange(size) for _ in range(50))]:
            bit = chance.randrange(8)
            flip(path, position, bit)
            with pytest.raises(ArtefactError) as raised:
                read_manifest(either)
            assert name in str(raised.value)
            flip(path, position, bit)
    read_manifest(either)


def test_every_bit_of_a_manifest(tmp_path):
    """What a flip would leave the same once parsed, too: an escape's digit in capitals, one more digit of a number."""
    (tmp_path / "a").write_text("a")
    write_manifest(tmp_path, {**WHOLE, "text": "\x0b\x1f “é”", "numbers": [1e-07, 5e-324, 0.1, 1e22], "others": [None, True]})
    path = tmp_path / "manifest.json"
    for position in range(path.stat().st_size):
        for bit in range(8):
            flip(path, position, bit)
            with pytest.raises(ArtefactError, match="manifest.json"):
                read_manifest(tmp_path, check=False)
            flip(path, position, bit)
    read_manifest(tmp_path)


@pytest.mark.slow
def test_every_bit_of_a_real_manifest(either):
    path = either / "manifest.json"
    for position in range(path.stat().st_size):
        for bit in range(8):
            flip(path, position, bit)
            with pytest.raises(ArtefactError, match="manifest.json"):
                read_manifest(either, check=False)
            flip(path, position, bit)


def test_missing(either):
    for name in read_manifest(either)["files"]:
        (either / name).rename(either.parent / "aside")
        with pytest.raises(ArtefactError, match=f"{name}: missing"):
            read_manifest(either)
        (either / name).mkdir()
        with pytest.raises(ArtefactError, match=f"{name}: missing"):
            read_manifest(either)
        (either / name).rmdir()
        (either.parent / "aside").rename(either / name)


def test_truncated_or_longer(either):
    for name in read_manifest(either)["files"]:
        data = (either / name).read_bytes()
        for altered in (b"", data[:1], data[: len(data) // 2], data[:-1], data + b"\0"):
            if altered != data:
                (either / name).write_bytes(altered)
                with pytest.raises(ArtefactError, match=f"{name}: expected {len(data):,} bytes, found {len(altered):,}"):
                    read_manifest(either)
        (either / name).write_bytes(data)


def test_truncated_manifest(either):
    data = (either / "manifest.json").read_bytes()
    shorter = [data[: len(data) * i // 20] for i in range(20)]
    for altered in (*shorter, data[:-1], data + b"\n", data.replace(b"\n", b"\r\n")):
        (either / "manifest.json").write_bytes(altered)
        with pytest.raises(ArtefactError, match="manifest.json: .*again"):
            read_manifest(either)


def swap(a, b):
    a.rename(a.with_name("aside"))
    b.rename(a)
    a.with_name("aside").rename(b)


def test_swapped_files(either):
    files = list(read_manifest(either)["files"])
    for a, b in zip(files, files[1:]):
        swap(either / a, either / b)
        with pytest.raises(ArtefactError, match=f"{a}: .*altered"):
            read_manifest(either)
        swap(either / a, either / b)
    read_manifest(either)


@pytest.mark.parametrize("name", ["forward.onnx", "step.onnx", "manifest.json"])
def test_the_runtime_refuses(copy, name):
    flip(copy / name, (copy / name).stat().st_size // 2, 0)
    with pytest.raises(ArtefactError, match=f"{name}: "):
        load(copy)


def test_a_file_that_is_not_listed_is_ignored(copy):
    (copy / "notes.txt").write_text("mine")
    assert "notes.txt" not in read_manifest(copy)["files"]


def test_no_manifest_or_no_folder(copy, tmp_path):
    with pytest.raises(FileNotFoundError, match="expected an exported model"):
        load(tmp_path / "nowhere")
    (copy / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match="manifest.json"):
        load(copy)


@pytest.mark.parametrize("text", [
    "", "{", pytest.param("[" * 100_000, id="deep"), "[]", "3", "{}", "null", '{"version": 3, "files": {}}',
    *(f'{{"format": "kerasrnn", "version": {version}, "files": {{"a": {{}}}}}}' for version in ("3", '"3"', "true", "null")),
    '{"format": "kerasrnn", "version": 3, "files": {}}', '{"format": "kerasrnn", "version": 3, "files": []}',
])  # fmt: skip
def test_not_a_manifest(copy, text):
    (copy / "manifest.json").write_text(text)
    with pytest.raises(ArtefactError, match="manifest"):
        load(copy)


def edit(folder, **changes):
    """Rewrites the manifest as someone would who means harm: with the right checksum."""
    path = folder / "manifest.json"
    text = json.dumps({k: v for k, v in {**json.loads(path.read_text()), **changes}.items() if k != "sha256"}, indent=1)
    path.write_bytes(_manifest._sealed(text.removesuffix("\n}").encode()))


@pytest.mark.parametrize("version, remedy", [(5, "Upgrade kerasrnn"), (2, "Export the model again"), (0, "Export")])
def test_another_version(copy, version, remedy):
    edit(copy, version=version)
    with pytest.raises(ArtefactError, match=f"manifest.json: expected version 3 to 4 .*; received {version}. {remedy}"):
        load(copy)


def test_a_version_between_is_read_with_or_without_new_fields(copy):
    for version in range(_manifest.OLDEST, _manifest.VERSION + 1):
        edit(copy, version=version, of_later=[1])
        assert load(copy).manifest["version"] == version


def test_the_version_rises_only_with_states_that_an_old_reader_would_begin_as_zeros(tmp_path):
    (tmp_path / "a").write_text("a")
    step = {"inputs": [{"name": "h", "dtype": "float32", "shape": [None, 1]}], "outputs": ["next_h"]}
    for states, version in (([], 3), ([{"name": "h", "size": 1}], 3), ([{"name": "h", "size": 1, "initial": [0.5]}], 4)):
        write_manifest(tmp_path, {**WHOLE, "signatures": {"step": step}, "states": states})
        assert read_manifest(tmp_path)["version"] == version
        (tmp_path / "manifest.json").unlink()


def test_a_saved_model_is_no_onnx_export(saved_model_folder):
    assert read_manifest(saved_model_folder)["kind"] == "saved_model"
    with pytest.raises(ArtefactError, match="expected an ONNX export"):
        load(saved_model_folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "sub/../../secret", "../copy2/secret", "..", "\0", "\ud800"])
def test_files_outside_the_folder_are_not_read(copy, name):
    (copy.parent / "secret").write_text("")
    (copy.parent / "copy2").mkdir()
    (copy.parent / "copy2" / "secret").write_text("")
    edit(copy, files={name: {"sha256": "", "bytes": 0}})
    with pytest.raises(ArtefactError, match="outside its folder.*Copy files, not links"):
        load(copy)


def test_links_that_lead_outside_are_not_followed(copy):
    (copy / "step.onnx").rename(copy.parent / "elsewhere.onnx")
    for target in (copy.parent / "elsewhere.onnx", "../elsewhere.onnx"):
        (copy / "step.onnx").symlink_to(target)
        with pytest.raises(ArtefactError, match="'step.onnx': .*outside its folder"):
            load(copy)
        (copy / "step.onnx").unlink()


def test_links_that_lead_nowhere(copy):
    (copy / "step.onnx").unlink()
    for target in ("step.onnx", "nothing.onnx"):
        (copy / "step.onnx").symlink_to(target)
        with pytest.raises(ArtefactError, match="step.onnx: missing"):
            load(copy)
        (copy / "step.onnx").unlink()


def test_a_folder_reached_by_a_link(copy, tmp_path):
    (tmp_path / "latest").symlink_to("copy")
    assert read_manifest(tmp_path / "latest") == read_manifest(copy)


@pytest.mark.parametrize("entry", [None, {}, [], {"sha256": ""}, {"sha256": "", "bytes": "0"}, {"sha256": 3, "bytes": 1.0}])
def test_an_entry_without_a_checksum(copy, entry):
    edit(copy, files={"step.onnx": entry})
    with pytest.raises(ArtefactError, match="manifest.json: .*no checksum of step.onnx. Export the model again"):
        load(copy)


def test_replaced_while_it_is_read(tmp_path, monkeypatch):
    """The manifest is read, then the folder becomes another whole artefact, with other files: that one is read."""
    for name, file in (("old", "a"), ("new", "b"), ("newest", "c")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(name)
        write_manifest(tmp_path / name, {**WHOLE, "kind": name})
    check, rest = _manifest._check_file, ["new", "newest"]

    def replaced(*arguments):
        if rest:
            shutil.rmtree(tmp_path / "old")
            (tmp_path / rest.pop(0)).rename(tmp_path / "old")
        check(*arguments)

    monkeypatch.setattr(_manifest, "_check_file", replaced)
    assert read_manifest(tmp_path / "old")["kind"] == "newest"


def test_what_is_an_artefact(either, tmp_path):
    assert is_artefact(either)
    flip(either / "manifest.json", 100, 0)
    assert is_artefact(either)
    (either / "manifest.json").write_text('{"name": "a web application", "icons": []}')
    assert not is_artefact(either) and not is_artefact(tmp_path) and not is_artefact(tmp_path / "nothing")


def test_figures_that_are_no_json_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_manifest(tmp_path, {"error": float("nan")})
    assert os.listdir(tmp_path) == []


def test_write_then_read(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ü.bin").write_bytes(b"123")
    write_manifest(tmp_path, {**WHOLE, "kind": "onnx"})
    assert read_manifest(tmp_path)["files"]["sub/ü.bin"]["bytes"] == 3


ODD = [
    None, True, -1, 0, 2**31, 2**64, 10**400, 1.5, 1e308, "", "odd", "\0", [], [[]], [None], ["odd"], [[[[1]]]], {}, {"odd": 1},
    {"name": None}, [{}], [{"name": 1}],
]  # fmt: skip


def places(value, path=()):
    """Every place within a manifest; of long lists the first elements."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


@pytest.mark.parametrize("kind", ["onnx", "causal", "forecast", "masked", "text", "saved_model"])
def test_odd_values_anywhere_are_an_artefact_error_or_harmless(request, tmp_path, kind):
    bundle = BUNDLES / kind
    folder = shutil.copytree(bundle if bundle.is_dir() else request.getfixturevalue(f"{kind}_folder"), tmp_path / "copy")
    whole = {name: value for name, value in json.loads((folder / "manifest.json").read_text()).items() if name != "sha256"}
    chance, refused, tried = random.Random(0), 0, 0
    for path in [path for path in places(whole) if path]:
        for odd in [_DROPPED, *chance.sample(ODD, 2 if path[0] in ("parity", "files", "versions") else 5)]:
            changed = json.loads(json.dumps(whole))
            parent = changed
            for key in path[:-1]:
                parent = parent[key]
            if odd is _DROPPED:
                del parent[path[-1]]
            else:
                parent[path[-1]] = odd
            edit_to(folder, changed)
            tried += 1
            try:
                manifest = read_manifest(folder)
                used(folder, manifest)
            except ArtefactError:
                refused += 1
            except ValueError:  # of a call, by the argument's name
                pass
    assert refused > tried / 3


_DROPPED = object()


def edit_to(folder, manifest):
    text = json.dumps(manifest, indent=1)
    (folder / "manifest.json").write_bytes(_manifest._sealed(text.removesuffix("\n}").encode()))


def used(folder, manifest):
    """What a reader does with a manifest, but for running the graphs."""
    inspect(folder)
    session = load(folder)
    if "step" in manifest["signatures"]:
        session.initial_states(2)
    if session.tokenizer is not None:
        session.tokenizer.detokenize(session.tokenizer.tokenize("the cat"))
        session._settings(Deadline(1e6), ["the"], [""], 3, **{**dict.fromkeys(SETTINGS, 1), "seed": None})
    if "forecast" in manifest["signatures"]:
        forecast_inputs(manifest, np.zeros((1, 4, 1)), 1, 1, 0, None)


@pytest.mark.parametrize("inputs", [
    [{"name": "token_ids", "dtype": "int64", "shape": [None, None]}], [{"name": "words", "dtype": "int32", "shape": [None, None]}],
])  # fmt: skip
def test_inputs_that_are_not_the_graphs(copy, inputs):
    signatures = read_manifest(copy)["signatures"]
    edit(copy, signatures={**signatures, "forward": {**signatures["forward"], "inputs": inputs}})
    with pytest.raises(ArtefactError, match="signatures.forward.inputs: expected those of forward.onnx"):
        load(copy).forward(**{inputs[0]["name"]: [[1]]})


def test_a_file_that_the_manifest_forgot(copy):
    edit(copy, files={n: f for n, f in read_manifest(copy)["files"].items() if n != "forward.onnx"})
    with pytest.raises(ArtefactError, match="expected forward.onnx among its files"):
        load(copy).forward(token_ids=[[1]])
