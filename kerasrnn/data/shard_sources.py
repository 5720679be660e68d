"""The text of many files as spans of bytes, which any process can read by itself, piece by piece."""

import bisect
import contextlib
import gzip
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from kerasrnn.data._files import GZIP_ERRORS, opened

PIECE = 1 << 20
_SEARCHED = 1 << 16
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Before a letter at the beginning of a line, or else of a word: no tokenizer here has a token that reaches across.
_GOOD_CUTS = (re.compile(rb"\n(?=[A-Za-z])"), re.compile(rb"[ \t\n](?=[A-Za-z])"))


class Span(NamedTuple):
    """A part of a file's text, counted in bytes of what is unpacked.

    Attributes:
        path: The file.
        begin: Its first byte.
        end: The byte behind its last one.
        opens: Whether it begins where the file's text does.
        separated: Whether a newline is to follow it, as another file does.
    """

    path: str
    begin: int
    end: int
    opens: bool
    separated: bool


class SpanReader:
    """Reads spans. A file compressed by gzip is unpacked onwards from the last span, not from its beginning again."""

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()
        self._path = ""

    def read(self, path: str, begin: int, size: int) -> bytes:
        with self._file(path) as file:
            file.seek(begin)
            return file.read(size)

    def extent(self, path: str) -> tuple[int, int]:
        """Where a file's text begins and ends, without a byte order mark."""
        with self._file(path) as file:
            end = file.seek(0, 2)
            file.seek(0)
            begin = len(_BYTE_ORDER_MARK) if file.read(3) == _BYTE_ORDER_MARK else 0
        if begin == end:
            raise ValueError(f"paths must name files with text, but {path!r} is empty. Leave it out.")
        return begin, end

    def close(self) -> None:
        self._open.close()
        self._path = ""

    def pieces(self, spans: Iterable[Span]) -> Iterator[tuple[bytes, Span, int]]:
        """Yields UTF-8 of `PIECE` bytes at most, the span it is from, and where in its file it ends."""
        for span in spans:
            rest, position = b"", span.begin
            while position < span.end:
                content = self.read(span.path, position, min(PIECE - len(rest), span.end - position))
                if not content:
                    raise ValueError(f"The file {span.path!r} has become shorter while it was read. Start again.")
                position += len(content)
                content = rest + content
                cut = len(content) if position == span.end else _last_cut(content)
                piece, rest = content[:cut], content[cut:]
                self._check(piece, span.path, position - len(rest) - len(piece))
                yield piece.replace(b"\r\n", b"\n") + b"\n" * (span.separated and position == span.end), span, position - len(rest)

    @contextlib.contextmanager
    def _file(self, path: str) -> Iterator[IO[bytes] | gzip.GzipFile]:
        try:
            if path != self._path:
                self.close()
                self._stream = self._open.enter_context(opened(Path(path)))
                self._path = path
            yield self._stream
        except GZIP_ERRORS as error:
            self.close()
            raise ValueError(
                f"The gzip file {path!r} is damaged or truncated ({error}). Fetch or compress it again (gzip -t tests it)."
            ) from error
        except OSError as error:
            self.close()
            raise type(error)(
                error.errno, f"The file {path!r} cannot be read: {error.strerror}. Check its permissions and disk"
            ) from error

    def _check(self, piece: bytes, path: str, begin: int) -> None:
        try:
            piece.decode("utf-8")
        except UnicodeDecodeError as error:
            offset, line = begin + error.start, 1
            for position in range(0, offset, PIECE):
                line += self.read(path, position, min(PIECE, offset - position)).count(b"\n")
            raise ValueError(
                f"paths must name files in UTF-8, but {path!r}, line {line}, has the byte 0x{piece[error.start]:02X} at "
                f"offset {offset}, which is not ({error.reason}). Convert it: iconv -f LATIN1 -t UTF-8."
            ) from error


def plan_spans(
    paths: list[str], splits: tuple[float, float, float], shard_bytes: int, reader: SpanReader
) -> tuple[list[list[Span]], list[list[Span]], list[list[Span]]]:
    """Shares the text of files out to train, validation and test, and each part to shards of about one size.

    Cuts are moved to the next beginning of a line or word nearby, and never into a character.

    Returns:
        For each part its shards, each a list of spans.
    """
    extents = [reader.extent(path) for path in paths]
    ends = list(itertools.accumulate(end - begin for begin, end in extents))
    total = ends[-1]
    bounds = [0, round(splits[0] * total), round((splits[0] + splits[1]) * total), total]
    shares: tuple[list[list[Span]], list[list[Span]], list[list[Span]]] = ([], [], [])

    def at(position: int) -> int:
        file = bisect.bisect_right(ends, position)
        begin, end = extents[file] if file < len(extents) else (0, 0)
        start = ends[file - 1] if file else 0
        if position in (0, total, start):
            return position
        local = begin + position - start
        return start + _next_cut(reader.read(paths[file], local - 1, min(_SEARCHED, end - local + 1))) + local - 1 - begin

    def spans(first: int, last: int) -> Iterator[Span]:
        for file in range(bisect.bisect_right(ends, first), len(paths)):
            begin, end = extents[file]
            start = ends[file] - (end - begin)
            if start >= last:
                return
            span_begin, span_end = max(first - start, 0) + begin, min(last - start, end - begin) + begin
            separated = span_end == end and file + 1 < len(paths)
            yield Span(paths[file], span_begin, span_end, span_begin == begin, separated)

    done = 0
    for part, (first, last) in zip(shares, itertools.pairwise(bounds)):
        number = -(-(last - first) // shard_bytes)
        for shard in range(1, number + 1):
            cut = max(done, at(first + (last - first) * shard // number))
            if cut > done:
                part.append(list(spans(done, cut)))
            done = cut
    return shares


def _last_cut(content: bytes) -> int:
    for pattern in _GOOD_CUTS:
        ends = [match.end() for match in pattern.finditer(content, max(0, len(content) - _SEARCHED))]
        if ends:
            return ends[-1]
    for cut in range(len(content) - 1, max(0, len(content) - 4), -1):
        if _parts_characters(content, cut):
            return cut
    return len(content)


def _next_cut(content: bytes) -> int:
    """The first good cut behind the first byte, or else the next beginning of a character."""
    for pattern in _GOOD_CUTS:
        if match := pattern.search(content):
            return match.end()
    return next((cut for cut in range(1, min(4, len(content))) if _parts_characters(content, cut)), min(4, len(content)))


def _parts_characters(content: bytes, cut: int) -> bool:
    """Whether a cut is within no character and no line end."""
    return content[cut] & 0xC0 != 0x80 and content[cut - 1 : cut + 1] != b"\r\n"
