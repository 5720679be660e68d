"""Text files of any size, read piece by piece, without TensorFlow."""

import codecs
import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

_PIECE = 2**20
_GZIP = b"\x1f\x8b"


def read_pieces(path: Path, read: Callable[[int], None] = lambda _: None) -> Iterator[str]:
    """Reads a text file in UTF-8, plain, or compressed by gzip whatever its name is.

    Args:
        path: The file.
        read: Called with the number of the file's bytes read so far.

    Yields:
        Pieces of the text, without a byte order mark; line ends stay as they are.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is a folder, empty, not UTF-8, or not gzip, or ends too early.
    """
    if path.is_dir():
        raise ValueError(f"{str(path)!r} must be a file, but is a folder. Name its files: {path}/*.txt.")
    if not path.exists():
        raise FileNotFoundError(f"{str(path)!r} must be an existing file, but in {os.getcwd()!r} there is none.")
    with path.open("rb") as raw:
        try:
            file = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" or raw.peek(2)[:2] == _GZIP else raw
            for number, piece in enumerate(_decoded(file, path)):
                yield piece if number else piece.removeprefix("\ufeff")
                read(raw.tell())
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{str(path)!r} must be compressed by gzip, whole, but: {error}. Compress it again.") from error
        if not raw.tell():
            raise ValueError(f"{str(path)!r} must hold text, but is empty. Leave it out.")


def _decoded(file: IO[bytes], path: Path) -> Iterator[str]:
    decoder, position = codecs.getincrementaldecoder("utf-8")(), 0
    while True:
        content = file.read(_PIECE)
        waiting = len(decoder.getstate()[0])  # bytes of a character that the last piece ended within
        try:
            text = decoder.decode(content, final=not content)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{str(path)!r} must be UTF-8, but its byte 0x{error.object[error.start]:02X} at offset "
                f"{position - waiting + error.start} is not. Convert it: iconv -f LATIN1 -t UTF-8."
            ) from error
        position += len(content)
        if text:
            yield text
        if not content:
            return
