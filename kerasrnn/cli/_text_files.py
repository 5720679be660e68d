"""Text files of any size, read piece by piece, without TensorFlow."""

import codecs
import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kerasrnn._files import check_encoding, encoding_by_mark, unix_line_ends

_PIECE = 2**20
_GZIP = b"\x1f\x8b"


def read_pieces(
    path: Path, read: Callable[[int], None] = lambda _: None, encoding: str = "utf-8"
) -> Iterator[str]:
    """Reads a text file, plain, or compressed by gzip whatever its name is.

    Args:
        path: The file.
        read: Called with the number of the file's bytes read so far.
        encoding: How the text is encoded where no byte order mark tells.

    Yields:
        Pieces of the text, without a byte order mark; each "\\r\\n" is "\\n".

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is a folder, empty, in another encoding, or not gzip, or ends too early.
    """
    check_encoding(encoding)
    if path.is_dir():
        raise ValueError(f"{str(path)!r} must be a file, but is a folder. Name its files: {path}/*.txt.")
    if not path.exists():
        raise FileNotFoundError(f"{str(path)!r} must be an existing file, but in {os.getcwd()!r} there is none.")
    with path.open("rb") as raw:
        try:
            file = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" or raw.peek(2)[:2] == _GZIP else raw
            decoded = _decoded(file, path, encoding_by_mark(file.peek(4)[:4], encoding))
            for number, piece in enumerate(unix_line_ends(decoded)):
                yield piece if number else piece.removeprefix("\ufeff")
                read(raw.tell())
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{str(path)!r} must be compressed by gzip, whole, but: {error}. Compress it again.") from error
        if not raw.tell():
            raise ValueError(f"{str(path)!r} must hold text, but is empty. Leave it out.")


def is_utf8(path: Path, encoding: str) -> bool:
    """Whether a file says by its byte order mark that it is UTF-8, or, without one, the encoding given is."""
    check_encoding(encoding)
    with path.open("rb") as raw:
        packed = raw.peek(2)[:2] == _GZIP
        first = gzip.GzipFile(fileobj=raw).peek(4)[:4] if packed else raw.peek(4)[:4]
    return codecs.lookup(encoding_by_mark(first, encoding)).name == "utf-8"


def _decoded(file: Any, path: Path, encoding: str) -> Iterator[str]:
    decoder, position = codecs.getincrementaldecoder(encoding)(), 0
    while True:
        content = file.read(_PIECE)
        waiting = len(decoder.getstate()[0])  # bytes of a character that the last piece ended within
        try:
            text = decoder.decode(content, final=not content)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{str(path)!r} must be {encoding.upper()}, but its byte 0x{error.object[error.start]:02X} at offset "
                f"{position - waiting + error.start} is not. Convert it: iconv -f LATIN1 -t UTF-8."
            ) from error
        position += len(content)
        if text:
            yield text
        if not content:
            return
