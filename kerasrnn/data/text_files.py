from collections.abc import Iterator
from pathlib import Path

from kerasrnn._files import check_encoding
from kerasrnn.data._files import Paths, lines, pieces, read_each
from kerasrnn.data.documents import Documents

_UNITS = ("file", "line", "paragraph")


def read_text(paths: Paths, by: str = "file", encoding: str = "utf-8", keep_empty: bool = False) -> Documents:
    """Streams the documents of text files: files, lines or paragraphs.

    Files compressed by gzip are unpacked, whatever they are called. A byte order mark is removed; one of UTF-8, UTF-16 or
    UTF-32 tells how its file is encoded, whatever `encoding` says.

    Args:
        paths: One path or several; they are read in this order.
        by: What a document is. `"file"`: the whole file, its line ends as they are. `"line"`: a line, without its
            line end, which is LF or CRLF. `"paragraph"`: lines that no blank line parts, without the last line end.
        encoding: How the text is encoded, as Python names it.
        keep_empty: Whether an empty line is a document too. With `by="line"` only, for files whose lines correspond.

    Returns:
        `Documents`, which can be iterated again and again.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If an argument is not one of the above, or a path is a folder. While iterating, with the file and
            the line: if a file is empty, in another encoding, or a gzip file that is damaged, truncated or is none.
        OSError: While iterating, if a file cannot be read.

    Example:

    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "poem.txt")
    >>> _ = path.write_text("So much depends\\nupon\\n\\na red wheel\\nbarrow\\n")
    >>> list(read_text(path, by="paragraph"))
    ['So much depends\\nupon', 'a red wheel\\nbarrow']
    >>> folder.cleanup()
    """
    if by not in _UNITS:
        raise ValueError(f"by must be one of {_UNITS}, but is {by!r}.")
    if keep_empty and by != "line":
        raise ValueError(f'keep_empty=True is for by="line" only, but by is {by!r}.')
    check_encoding(encoding)

    def read(path: Path) -> Iterator[str]:
        if by == "paragraph":
            return _paragraphs(lines(path, encoding))
        if by == "line":
            stripped = map(_without_line_end, lines(path, encoding))
            return stripped if keep_empty else filter(None, stripped)
        return filter(None, ["".join(pieces(path, encoding))])

    return read_each(paths, read, f"each {by}")


def _paragraphs(stream: Iterator[str]) -> Iterator[str]:
    paragraph: list[str] = []
    for line in stream:
        if line.isspace():
            if paragraph:
                yield _without_line_end("".join(paragraph))
            paragraph.clear()
        else:
            paragraph.append(line)
    if paragraph:
        yield _without_line_end("".join(paragraph))


def _without_line_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r") if line.endswith("\n") else line
