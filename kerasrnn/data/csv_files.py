import csv
from collections.abc import Iterator
from pathlib import Path

from kerasrnn._files import check_encoding
from kerasrnn.data._files import Paths, lines, read_each
from kerasrnn.data.documents import Documents


def read_csv(
    paths: Paths,
    column: str | int = "text",
    delimiter: str = ",",
    quotechar: str | None = '"',
    encoding: str = "utf-8",
) -> Documents:
    """Streams one column of CSV files.

    A quoted field may hold delimiters, doubled quotation marks and line ends. Blank lines are passed over; files
    compressed by gzip are unpacked.

    Args:
        paths: One path or several; they are read in this order.
        column: The column's name in the first row; or, for files without a row of names, its number from 0.
        delimiter: What parts two fields: one character, `"\\t"` for TSV.
        quotechar: What encloses a field that holds a delimiter; `None` if quotation marks are ordinary characters.
        encoding: How the text is encoded, as Python names it.

    Returns:
        `Documents`, which can be iterated again and again.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: While iterating, with the file and the line: if there is no such column, a row has more or fewer
            fields than the first, or a quotation mark is not closed; and as `read_text`.

    Example:

    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "tales.csv")
    >>> _ = path.write_text('year,text\\n1851,"Call me Ishmael, then"\\n')
    >>> list(read_csv(path))
    ['Call me Ishmael, then']
    >>> folder.cleanup()
    """
    check_encoding(encoding)
    if isinstance(column, bool) or not isinstance(column, (str, int)):
        raise ValueError(
            f"column: expected a column's name, or its number from 0; received {column!r}. Pass a string or an integer."
        )
    characters = {"delimiter": delimiter, "quotechar": '"' if quotechar is None else quotechar}
    for name, character in characters.items():
        if not isinstance(character, str) or len(character) != 1 or character in "\r\n":
            raise ValueError(f"{name} must be one character other than a line end, but is {character!r}.")
    if delimiter == quotechar:
        raise ValueError(f"delimiter must differ from quotechar, but both are {delimiter!r}.")

    def read(path: Path) -> Iterator[str]:
        quoting = csv.QUOTE_MINIMAL if quotechar else csv.QUOTE_NONE
        rows = csv.reader(
            lines(path, encoding), delimiter=delimiter, quotechar=quotechar, quoting=quoting, strict=True
        )
        width = index = None
        while True:
            start = rows.line_num + 1
            try:
                row = next(rows, None)
            except csv.Error as error:
                raise ValueError(
                    f"{str(path)!r}, line {start}, must be a row of CSV, but is not ({error}). Close the quotation mark, "
                    "or pass quotechar=None if they are ordinary characters; for longer fields call "
                    "csv.field_size_limit(2**31 - 1)."
                ) from error
            if row is None:
                return
            if not row:
                continue
            if width is None or index is None:
                width, index = len(row), _index(row, column, f"{str(path)!r}, line {start}")
                if isinstance(column, str):
                    continue
            if len(row) != width:
                raise ValueError(
                    f"{str(path)!r}, line {start}, must have {width} fields, as the first row has, but has {len(row)}. "
                    "Quote fields that hold the delimiter, or pass the delimiter that the file uses."
                )
            yield row[index]

    return read_each(paths, read, f"column {column!r}")


def _index(row: list[str], column: str | int, where: str) -> int:
    if isinstance(column, str):
        if row.count(column) == 1:
            return row.index(column)
        found = f"has it {row.count(column)} times" if column in row else f"has {', '.join(map(repr, row))}"
        raise ValueError(
            f"{where}, must name the column {column!r} once, but {found}. Pass a column that it names, its number if "
            "the first row holds no names, or another delimiter."
        )
    if not 0 <= column < len(row):
        raise ValueError(f"column must be from 0 to {len(row) - 1}, the last one in {where}, but is {column}.")
    return column
