"""A count-based model as one file: NumPy's npz, with its options as JSON."""

import json
import os
import zipfile
import zlib
from typing import Any

import numpy as np

from kerasrnn._backend import keras
from kerasrnn._files import write_stream
from kerasrnn.ngram._counts import Counts
from kerasrnn.ngram._trie import Trie

FORMAT = "kerasrnn.ngram"
VERSION = 1
# What numpy.load and zipfile say of a file that is cut off, altered, or something else.
_DAMAGED = (
    ValueError, KeyError, TypeError, EOFError, AttributeError, OSError, NotImplementedError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def save(path: str | os.PathLike[str], class_name: str, config: dict[str, Any], tokenizer: Any, counts: Counts) -> None:
    header = {
        "format": FORMAT,
        "version": VERSION,
        "class_name": class_name,
        "config": config,
        "tokenizer": keras.saving.serialize_keras_object(tokenizer),
    }
    trie = counts.trie
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), "uint8")}
    arrays |= {f"keys_{length}": trie.keys[length] for length in range(2, trie.order + 1)}
    arrays |= {f"counts_{length}": counts.counts[length] for length in range(trie.order + 1)}
    write_stream(path, lambda file: np.savez_compressed(file, **arrays))


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header of a file that `save` wrote, and its arrays.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds something else, is damaged, or is of a newer version.
    """
    name = os.fspath(path)
    with open(path, "rb") as file:  # before what follows, where an OSError means a damaged archive
        try:
            with np.load(file, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files}
            header = json.loads(arrays.pop("header").tobytes())
            found = header["format"], header["version"]
        except _DAMAGED as error:
            raise ValueError(
                f"path {name!r} must be a whole file that save() of a count-based model wrote, but is not: {error}. "
                "Save the model again."
            ) from error
    if found != (FORMAT, VERSION):
        raise ValueError(
            f"path {name!r} must hold {FORMAT} of version {VERSION}, but holds {found[0]} of version {found[1]!r}. "
            "If a newer kerasrnn wrote it, upgrade: pip install --upgrade kerasrnn"
        )
    return header, arrays


def counts_of(arrays: dict[str, np.ndarray], order: int, vocabulary_size: int) -> Counts:
    trie = Trie(vocabulary_size, [arrays[f"keys_{length}"] for length in range(2, order + 1)])
    return Counts(trie, [arrays[f"counts_{length}"] for length in range(order + 1)])
