"""Files of text as a stream, or an error that names the file and the line. What is compressed by gzip is unpacked."""

import codecs
import contextlib
import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from kerasrnn._files import encoding_by_mark
from kerasrnn.data.documents import Documents

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

GZIP_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile)
_GZIP = b"\x1f\x8b\x08"
_CHUNK = 1 << 18


def read_each(paths: Paths, read: Callable[[Path], Iterator[str]], description: str) -> Documents:
    """The documents that `read` finds in each of the files, which must exist and hold one document or more each."""
    listed = checked(paths)

    def documents() -> Iterator[str]:
        for path in listed:
            empty = True
            for document in read(path):
                empty = False
                yield document
            if empty:
                raise ValueError(f"paths must name files with text, but {str(path)!r} is empty. Leave it out.")

    files = repr(str(listed[0])) if len(listed) == 1 else f"{len(listed):,} files"
    return Documents(documents, f"{description} of {files}")


def checked(paths: Paths) -> list[Path]:
    """The paths as a list, all of them files that exist."""
    listed = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not listed:
        raise ValueError("paths must name at least one file, but is empty.")
    for path in listed:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"paths must be a path or paths, but one is {path!r}, of type {type(path).__name__}.")
        if os.path.isdir(path):
            raise ValueError(
                f"paths must name files, but {str(path)!r} is a folder. "
                f"Name its files: sorted(Path({str(path)!r}).glob('*.txt'))."
            )
        if not os.path.exists(path):
            raise FileNotFoundError(
                f"paths must name existing files, but {str(path)!r}, in {os.getcwd()!r}, does not exist."
            )
    return [Path(path) for path in listed]


def is_gzip(first: bytes, path: Path) -> bool:
    """Whether a file that begins with these bytes is compressed by gzip: its name only promises it."""
    if path.suffix == ".gz" and first and not first.startswith(_GZIP):
        raise ValueError(
            f"The file {str(path)!r} must be compressed by gzip, as its name says, but begins with {first[:3]!r} rather "
            f"than {_GZIP!r}. Rename it if it is not compressed; else fetch it again."
        )
    return first.startswith(_GZIP)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader | gzip.GzipFile]:
    """Opens a file once, for a pipe's first bytes cannot be read again, and unpacks it if need be."""
    with open(path, "rb") as file:
        yield gzip.GzipFile(fileobj=file) if is_gzip(file.peek(3), path) else file


def lines(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """Yields each line with its line end. Only a line feed ends a line; str.splitlines() would cut at nine others."""
    pending: list[str] = []
    for text in pieces(path, encoding):
        for line in io.StringIO(text, newline="\n"):
            pending.append(line)
            if line[-1] == "\n":
                yield "".join(pending)
                pending.clear()
    if pending:
        yield "".join(pending)


def pieces(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """Yields a file's text in pieces of any length, without a byte order mark, which wins over the encoding given."""
    line, num_bytes, begun = 1, 0, False
    try:
        with opened(path) as file:
            encoding = encoding_by_mark(file.peek(4)[:4], encoding)
            decoder, at_end = codecs.getincrementaldecoder(encoding)(), False
            while not at_end:
                # read() would lose what precedes the damage of a damaged file.
                content = file.read1(_CHUNK)
                num_bytes += len(content)
                at_end = not content
                text = decoder.decode(content, final=at_end)
                if text and not begun:
                    begun, text = True, text.removeprefix("\ufeff")
                if text:
                    line += text.count("\n")
                    yield text
    except UnicodeDecodeError as error:
        line += error.object[: error.start].decode(error.encoding).count("\n")
        offset = num_bytes - len(error.object) + error.start
        raise ValueError(
            f"paths must name files in {encoding.upper()}, but {str(path)!r}, line {line}, has the byte "
            f"0x{error.object[error.start]:02X} at offset {offset}, which is not ({error.reason}). "
            "Pass the file's own encoding (encoding='latin-1'), or convert it (iconv -f LATIN1 -t UTF-8)."
        ) from error
    except GZIP_ERRORS as error:
        raise ValueError(
            f"The gzip file {str(path)!r} is damaged or truncated in line {line} of its text ({error}). "
            "Fetch or compress it again (gzip -t tests it)."
        ) from error
    except OSError as error:
        raise type(error)(
            error.errno,
            f"The file {str(path)!r} cannot be read beyond line {line}: {error.strerror}. Check its permissions and disk",
        ) from error
