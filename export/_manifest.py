"""manifest.json: what an artefact holds, so that a reader can bind, check and trust it. No TensorFlow here."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from kerasrnn.export._manifest_fields import fault_of

FILE_NAME = "manifest.json"
WEIGHTS_NAME = "weights.bin"  # where the weights of large models are; graphs may name no other file
OLDEST, VERSION = 3, 4  # of manifests that are read
_SEAL = ',\n "sha256": "'  # indented by one: no field but the last of the manifest itself begins so


class ArtefactError(ValueError):
    """A file of an artefact is missing, altered, or not what its manifest says."""


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Writes manifest.json with the checksum and size of every file that the folder holds, and its own checksum last.

    A reader takes every version from `OLDEST` to its `VERSION`. New fields are optional. The version rises only where an older
    reader would compute something else: one of version 3 begins with states of zeros.
    """
    version = 4 if any("initial" in state for state in content.get("states", [])) else 3
    files = {
        path.relative_to(folder).as_posix(): {"sha256": _sha256(path), "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = {"format": "kerasrnn", "version": version, **content, "files": files}
    text = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / FILE_NAME).write_bytes(_sealed(text.removesuffix("\n}").encode()))


def is_artefact(folder: Path) -> bool:
    """Whether a folder holds what an export wrote, of any version and in any state: it may be replaced by another."""
    try:
        return b'"format": "kerasrnn"' in (folder / FILE_NAME).read_bytes()
    except OSError:
        return False


def read_manifest(folder: Path | str, check: bool = True) -> dict[str, Any]:
    """Reads manifest.json and, unless told otherwise, checks every file against it; files it does not list are ignored.

    Args:
        folder: the artefact's folder; it may be replaced by a new one meanwhile.
        check: whether to read each file and compare its SHA-256.

    Returns:
        The manifest.

    Raises:
        FileNotFoundError: the folder or its manifest is missing.
        ArtefactError: the manifest is altered, of a version that this program does not read, or lacks a field or has one of
            another type, or a file is missing, truncated or altered; the message names the file.
    """
    folder = Path(folder)
    while True:
        before = _identity(folder)
        try:
            manifest = _parse(folder)
            for name, expected in manifest["files"].items() if check else ():
                _check_file(folder, name, expected)
            if fault := fault_of(manifest):
                raise ArtefactError(f"{folder / FILE_NAME}: {fault}. Export the model again.")
            return manifest
        except (ArtefactError, FileNotFoundError):
            if _identity(folder) == before:
                raise


def _identity(folder: Path) -> tuple[int, int] | None:
    """Changes when another folder takes the place of this one."""
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_ctime_ns


def _sealed(data: bytes) -> bytes:
    """A manifest less its end, with its end: the checksum of all that is before."""
    return data + f'{_SEAL}{hashlib.sha256(data).hexdigest()}"\n}}'.encode()


def _parse(folder: Path) -> dict[str, Any]:
    path = folder / FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: expected an exported model, a folder with {FILE_NAME}; there is none. "
                                "Give the folder that export wrote.")  # fmt: skip
    data = path.read_bytes()
    try:
        manifest = json.loads(data.decode())
        version, files = manifest["version"], manifest["files"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtefactError(f"{path}: not a manifest of kerasrnn ({error}). Export the model again.") from error
    if manifest.get("format") != "kerasrnn" or type(version) is not int or not isinstance(files, dict) or not files:
        raise ArtefactError(f"{path}: not a manifest of kerasrnn. Export the model again.")
    if not OLDEST <= version <= VERSION:
        remedy = "Upgrade kerasrnn." if version > VERSION else "Export the model again."
        raise ArtefactError(f"{path}: expected version {OLDEST} to {VERSION} of the format; received {version}. {remedy}")
    if data != _sealed(data.rpartition(_SEAL.encode())[0]):
        raise ArtefactError(f"{path}: its SHA-256 differs from the one at its end: altered. Copy it again, or export again.")
    return manifest


def read_file(folder: Path, manifest: dict[str, Any], name: str) -> bytes:
    """A file that the manifest lists, as it was when the manifest was read: the folder may have been replaced since.

    Raises:
        ArtefactError: it is missing or altered.
    """
    path = folder / name
    if name not in manifest["files"]:
        raise ArtefactError(f"{folder / FILE_NAME}: expected {name} among its files; it lists none. Export the model again.")
    if not path.is_file():
        raise ArtefactError(f"{path}: missing; the manifest lists it. Copy the whole folder, or export again.")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != manifest["files"][name]["sha256"]:
        raise ArtefactError(f"{path}: its SHA-256 differs from the manifest's: altered since it was loaded. Load it again.")
    return data


def _check_file(folder: Path, name: str, expected: Any) -> None:
    if not isinstance(expected, dict) or (type(expected.get("sha256")), type(expected.get("bytes"))) != (str, int):
        raise ArtefactError(f"{folder / FILE_NAME}: the manifest has no checksum of {name}. Export the model again.")
    path = folder / name
    if not _inside(path, folder):
        raise ArtefactError(f"{name!r}: the manifest names a file outside its folder {folder}. Copy files, not links.")
    if not path.is_file():
        raise ArtefactError(f"{path}: missing; the manifest lists it. Copy the whole folder, or export again.")
    size = path.stat().st_size
    if size != expected["bytes"]:
        raise ArtefactError(f"{path}: expected {expected['bytes']:,} bytes, found {size:,}: truncated or altered. "
                            "Copy it again, or export again.")  # fmt: skip
    if _sha256(path) != expected["sha256"]:
        raise ArtefactError(f"{path}: its SHA-256 differs from the manifest's: altered. Copy it again, or export again.")


def _inside(path: Path, folder: Path) -> bool:
    try:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except ValueError:  # no name of any file
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
