"""What a folder of token shards says about itself, and whether that is true."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = "kerasrnn token shards"
VERSION = 1
MANIFEST = "manifest.json"
PARTS = ("train", "validation", "test")
TYPES = {"uint8": "<u1", "uint16": "<u2", "uint32": "<u4"}

_CHUNK = 1 << 20
_KEYS = {"version": int, "dtype": str, "tokenizer": dict, "parts": dict}


def dtype_for(vocabulary_size: int) -> str:
    """The smallest of the types whose numbers reach all ids.

    >>> dtype_for(256), dtype_for(257)
    ('uint8', 'uint16')
    """
    return next(name for name in TYPES if vocabulary_size - 1 <= np.iinfo(name).max)


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"The file {str(path)!r} must be JSON, but is damaged ({error}). Prepare the corpus again."
        ) from error


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads the manifest of a folder of shards.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is damaged, something else's, or of a newer version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(
            f"path must be a folder that kerasrnn prepare completed, but {str(folder)!r} has no {MANIFEST}. "
            f"Run: kerasrnn prepare CORPUS --out {folder}; after an interruption it goes on."
        )
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(
            f"The file {str(path)!r} must describe token shards, but does not. Name a folder of kerasrnn prepare."
        )
    version = manifest.get("version")
    if isinstance(version, int) and version > VERSION:
        raise ValueError(
            f"The shards in {str(folder)!r} have version {version}, but this kerasrnn reads up to version {VERSION}. "
            "Upgrade: pip install --upgrade kerasrnn."
        )
    wrong = [key for key, kind in _KEYS.items() if not isinstance(manifest.get(key), kind)]
    if wrong or manifest["dtype"] not in TYPES or not set(manifest["parts"]) <= set(PARTS):
        raise ValueError(
            f"The file {str(path)!r} is damaged: its {', '.join(wrong) or 'dtype or parts'} cannot be read. "
            "Prepare the corpus again."
        )
    return manifest


def check_shard(folder: Path, shard: dict[str, Any], dtype: str, vocabulary_size: int, checksum: bool = True) -> None:
    """Compares a shard's file to what the manifest says of it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If its size, or with `checksum` its content, is another one, or it holds ids beyond the vocabulary.
    """
    path = folder / shard["file"]
    remedy = "Delete it and run the same kerasrnn prepare again, which writes what is missing."
    if not path.is_file():
        raise FileNotFoundError(f"The shard {str(path)!r} is missing. Run the same kerasrnn prepare again, which writes it.")
    expected, found = shard["tokens"] * np.dtype(dtype).itemsize, path.stat().st_size
    if found != expected:
        raise ValueError(
            f"The shard {str(path)!r} must have {expected:,} bytes, for {shard['tokens']:,} tokens, but has {found:,}: "
            f"it is {'truncated' if found < expected else 'another file'}. {remedy}"
        )
    if not checksum:
        return
    digest, largest = hashlib.sha256(), -1
    with path.open("rb") as file:
        while content := file.read(_CHUNK):
            digest.update(content)
            largest = max(largest, int(np.frombuffer(content, TYPES[dtype]).max()))
    if digest.hexdigest() != shard["sha256"]:
        raise ValueError(
            f"The shard {str(path)!r} must have the SHA-256 checksum {shard['sha256']}, but has {digest.hexdigest()}: "
            f"it was altered. {remedy}"
        )
    if largest >= vocabulary_size:
        raise ValueError(
            f"The shard {str(path)!r} must hold token ids in [0, {vocabulary_size}), the range of the manifest's "
            f"vocabulary, but holds {largest}. Prepare the corpus again, in a new folder."
        )
