from collections.abc import Iterable, Iterator
from typing import Any

from kerasrnn.data.documents import Documents


def read_column(data: Any, column: str | None = None) -> Documents:
    """Streams a column of texts: of a Hugging Face `datasets` object, a pandas table, or a column by itself.

    Neither package is imported: what `data` can do tells what it is. A Hugging Face dataset may be one that streams.

    Args:
        data: A `datasets.Dataset` or `IterableDataset`, a `pandas.DataFrame`, any iterable of mappings, or a column
            by itself: a `pandas.Series`, an array or a list of strings. It must give the same at each iteration.
        column: The column that holds the text; `None` if `data` is a column by itself.

    Returns:
        `Documents`, which can be iterated again and again.

    Raises:
        TypeError: If `data` is none of these, is an iterator, which could be read but once, or is several datasets.
        ValueError: If there is no such column, or none was named; while iterating, with the row, counted from 0: if
            the row lacks the column.
        TypeError: While iterating, with the row: if the text is missing or is no string.

    Example:

    >>> list(read_column([{"text": "Call me Ishmael.", "year": 1851}], "text"))
    ['Call me Ishmael.']
    """
    if isinstance(data, (str, bytes)) or not isinstance(data, Iterable):
        raise TypeError(f"data must be a dataset, a table or a column of texts, but is of type {type(data).__name__}.")
    if isinstance(data, Iterator):
        raise TypeError(
            f"data must give its texts again at each iteration, but the {type(data).__name__} gives them once. Pass "
            "list(data), or Documents(function) with a function that starts the iterator."
        )
    if isinstance(data, dict):
        raise TypeError(
            f"data must be one dataset or table, but is a {type(data).__name__} of {', '.join(map(repr, data))}. "
            "Pass one of them: data[...]."
        )
    names = _column_names(data)
    if names is not None and column not in names:
        listed = ", ".join(map(repr, names))
        raise ValueError(f"column must be one of {listed}, the columns of data, but is {column!r}.")
    if hasattr(data, "select_columns"):
        # Hugging Face would otherwise decode the other columns too, which may be images.
        rows = data.select_columns([column])
    elif names is not None:
        rows, column = data[column], None
    else:
        rows = data

    def read() -> Iterator[str]:
        for number, row in enumerate(rows):
            text = row if column is None else _field(row, column, number)
            if not isinstance(text, str):
                raise TypeError(
                    f"data must hold a string in each row, but row {number} holds {text!r}, of type "
                    f"{type(text).__name__}. {_remedy(text)}"
                )
            yield str(text)  # NumPy's strings are a class of their own.

    return Documents(read, f"column {column!r} of {type(data).__name__}" if column else f"{type(data).__name__}")


def _column_names(data: Any) -> list[Any] | None:
    """The names of a table's columns; `None` for what does not know them, or has none."""
    # A Hugging Face dataset that streams may know its columns only once it is read: column_names is None.
    names = getattr(data, "column_names", None)
    if names is None:
        names = getattr(data, "columns", None)
    return None if names is None else list(names)


def _field(row: Any, column: str, number: int) -> Any:
    try:
        return row[column]
    except (KeyError, TypeError, IndexError) as error:
        found = f"has {', '.join(map(repr, row))}" if isinstance(row, dict) else f"is of type {type(row).__name__}"
        raise ValueError(f"data must have the column {column!r}, but row {number} {found}.") from error


def _remedy(value: Any) -> str:
    if isinstance(value, dict):
        return f"Name the column: one of {', '.join(map(repr, value))}."
    if isinstance(value, bytes):
        return "Decode it: text.decode('utf-8')."
    return "Leave out the rows without text, or fill them."
