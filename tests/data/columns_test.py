import numpy as np
import pytest

from kerasrnn.data import read_column

TEXTS = ["Call me Ishmael.", "", "Some years ago"]


class FakeTable:
    """What a pandas.DataFrame shows: its columns' names when iterated, a column when indexed."""

    def __init__(self, **columns):
        self._columns = columns
        self.columns = np.array(list(columns), dtype=object)

    def __iter__(self):
        return iter(self._columns)

    def __getitem__(self, column):
        return self._columns[column]


class FakeDataset:
    """What a datasets.Dataset shows; one that streams may not know its columns: names=None."""

    def __init__(self, rows, names):
        self.rows, self.column_names = rows, names

    def select_columns(self, names):
        return FakeDataset([{name: row[name] for name in names} for row in self.rows], names)

    def __iter__(self):
        return iter(self.rows)


ROWS = [{"text": text, "image": 1} for text in TEXTS]


@pytest.mark.parametrize(
    "data, column",
    [
        (FakeTable(year=[1, 2, 3], text=TEXTS), "text"),
        (FakeTable(text=np.array(TEXTS, dtype=object)), "text"),
        (FakeDataset(ROWS, ["image", "text"]), "text"),
        (FakeDataset(ROWS, None), "text"),
        (ROWS, "text"),
        (TEXTS, None),
        (np.array(TEXTS), None),
    ],
)
def test_each_kind_gives_its_texts_again_and_again(data, column):
    documents = read_column(data, column)
    assert list(documents) == list(documents) == TEXTS
    assert all(type(text) is str for text in documents)


def test_other_columns_are_not_decoded():
    class Undecodable(dict):
        def __getitem__(self, name):
            if name == "image":
                raise AssertionError("decoded")
            return super().__getitem__(name)

    assert list(read_column(FakeDataset([*map(Undecodable, ROWS)], ["text", "image"]), "text")) == TEXTS


@pytest.mark.parametrize(
    "data, column, error, message",
    [
        ("text", None, TypeError, "must be a dataset, .* of type str"),
        (3, None, TypeError, "must be a dataset, .* of type int"),
        (iter(TEXTS), None, TypeError, "again at each iteration.*list"),
        ({"train": ROWS, "test": ROWS}, "text", TypeError, "is a dict of 'train', 'test'"),
        (FakeTable(year=[1]), "text", ValueError, "column must be one of 'year', .* is 'text'"),
        (FakeTable(text=TEXTS), None, ValueError, "column must be one of 'text', .* is None"),
        (FakeDataset(ROWS, ["text", "image"]), "body", ValueError, "column must be one of 'text', 'image'"),
    ],
)
def test_bad_data(data, column, error, message):
    with pytest.raises(error, match=message):
        read_column(data, column)


@pytest.mark.parametrize(
    "data, column, error, message",
    [
        (FakeTable(text=["a", float("nan")]), "text", TypeError, "row 1 holds nan, of type float. Leave out"),
        ([{"text": "a"}, {"text": None}], "text", TypeError, "row 1 holds None"),
        ([{"text": "a"}, {"body": "b"}], "text", ValueError, "column 'text', but row 1 has 'body'"),
        ([{"text": "a"}, "b"], "text", ValueError, "column 'text', but row 1 is of type str"),
        ([{"text": "a"}], None, TypeError, "row 0 holds {'text': 'a'}.*Name the column: one of 'text'"),
        (["a", b"b"], None, TypeError, "row 1 holds b'b'.*Decode"),
    ],
)
def test_bad_rows_are_named(data, column, error, message):
    documents = read_column(data, column)
    with pytest.raises(error, match=message):
        list(documents)
