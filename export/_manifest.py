"""manifest.json: what an artefact holds, so that a reader can bind, check and trust it. No TensorFlow here."""

import hashlib
import json
from pathlib import Path
from typing import Any

FILE_NAME = "manifest.json"
VERSION = 1


class ArtefactError(ValueError):
    """A file of an artefact is missing, altered, or not what its manifest says."""


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Writes manifest.json with the checksum and size of every file that the folder holds."""
    files = {
        path.relative_to(folder).as_posix(): {"sha256": _sha256(path), "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = {"format": "kerasrnn", "version": VERSION, **content, "files": files}
    (folder / FILE_NAME).write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")


def read_manifest(folder: Path | str, check: bool = True) -> dict[str, Any]:
    """Reads manifest.json and, unless told otherwise, checks every file against it.

    Args:
        folder: the artefact's folder.
        check: whether to read each file and compare its SHA-256.

    Returns:
        The manifest.

    Raises:
        FileNotFoundError: the folder or its manifest is missing.
        ArtefactError: the manifest cannot be read or is newer than this program, or a file is missing, truncated
            or altered; the message names the file.
    """
    folder = Path(folder)
    path = folder / FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: expected an exported model, a folder with {FILE_NAME}; there is none. "
                                "Give the folder that export wrote.")  # fmt: skip
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version, files = manifest["version"], manifest["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path}: not a manifest of kerasrnn ({error}). Export the model again.") from error
    if manifest.get("format") != "kerasrnn" or not isinstance(version, int) or not isinstance(files, dict) or not files:
        raise ArtefactError(f"{path}: not a manifest of kerasrnn. Export the model again.")
    if version > VERSION:
        raise ArtefactError(f"{path}: version {version} of the format; this kerasrnn reads up to {VERSION}. Upgrade it.")
    if check:
        for name, expected in files.items():
            if not isinstance(expected, dict) or not {"sha256", "bytes"} <= set(expected):
                raise ArtefactError(f"{path}: the manifest has no checksum of {name}. Export the model again.")
            _check_file(folder, name, expected)
    return manifest


def _check_file(folder: Path, name: str, expected: dict[str, Any]) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ArtefactError(f"{name}: the manifest names a file outside its folder {folder}")
    if not path.is_file():
        raise ArtefactError(f"{path}: missing; the manifest lists it. Copy the whole folder, or export again.")
    size = path.stat().st_size
    if size != expected["bytes"]:
        raise ArtefactError(f"{path}: expected {expected['bytes']:,} bytes, found {size:,}: truncated or altered. "
                            "Copy it again, or export again.")  # fmt: skip
    if _sha256(path) != expected["sha256"]:
        raise ArtefactError(f"{path}: its SHA-256 differs from the manifest's: altered. Copy it again, or export again.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
