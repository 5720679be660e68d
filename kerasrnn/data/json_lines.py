import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasrnn.data._files import Paths, lines, read_each
from kerasrnn.data.documents import Documents


def read_json_lines(paths: Paths, field: str = "text") -> Documents:
    """Streams one field of JSON lines: files with one JSON object a line.

    Blank lines are passed over; files compressed by gzip are unpacked.

    Args:
        paths: One path or several, of files in UTF-8; they are read in this order.
        field: The field that holds the text.

    Returns:
        `Documents`, which can be iterated again and again.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: While iterating, with the file and the line: if a line is not JSON, not an object, lacks the field,
            or the field is not a string; and as `read_text`.

    Example:

    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "tales.jsonl")
    >>> _ = path.write_text('{"text": "Call me Ishmael.", "year": 1851}')
    >>> list(read_json_lines(path))
    ['Call me Ishmael.']
    >>> folder.cleanup()
    """

    def read(path: Path) -> Iterator[str]:
        for number, line in enumerate(lines(path), 1):
            if not line.isspace():
                yield _field(line, field, f"{str(path)!r}, line {number}")

    return read_each(paths, read, f"field {field!r}")


def _field(line: str, field: str, where: str) -> str:
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        shown = line.rstrip("\r\n")[:60]
        raise ValueError(
            f"{where}, must be JSON, but is {shown!r} ({error}). Mend or remove the line; a file with one JSON value "
            "over several lines becomes JSON lines by: jq -c '.[]'."
        ) from error
    if not isinstance(record, dict):
        raise ValueError(
            f"{where}, must be a JSON object with the field {field!r}, but is of type {type(record).__name__}."
        )
    if field not in record:
        fields = ", ".join(map(repr, record)) or "none"
        raise ValueError(
            f"{where}, must have the field {field!r}, but its fields are: {fields}. Pass one of them as field."
        )
    text = record[field]
    if not isinstance(text, str):
        raise ValueError(
            f"{where}, must have a string in the field {field!r}, but has {text!r}. Remove the line, or convert it."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{where}, has the lone surrogate {text[error.start]!r} in the field {field!r}, which is no character. "
            "Write both halves of the pair, or remove it."
        ) from error
    return text
