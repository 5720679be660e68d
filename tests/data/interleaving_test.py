import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasrnn.data import interleave, read_text

sources_and_weights = st.lists(st.tuples(st.integers(0, 12), st.floats(0.1, 10)), min_size=1, max_size=5)


def streams(lengths):
    return [[f"{source}:{number}" for number in range(length)] for source, length in enumerate(lengths)]


@given(sources_and_weights)
def test_nothing_is_lost_and_each_source_keeps_its_order(pairs):
    lengths, weights = zip(*pairs)
    sources = streams(lengths)
    mixed = interleave(sources, weights)
    given_once = list(mixed)
    assert given_once == list(mixed)
    assert sorted(given_once) == sorted(text for source in sources for text in source)
    for number, source in enumerate(sources):
        assert [text for text in given_once if text.startswith(f"{number}:")] == source


def test_equal_weights_take_turns_and_the_longer_go_on():
    assert list(interleave([["a", "b", "c"], ["1"], ["x", "y"]])) == ["a", "1", "x", "b", "y", "c"]
    assert list(interleave([["a", "b", "c"], ["1"], ["x", "y"]], until="first")) == ["a", "1", "x", "b"]


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 200))
def test_every_beginning_keeps_the_proportions(weights, count):
    beginning = list(interleave(streams([300] * len(weights)), weights))[:count]
    found = Counter(int(text.partition(":")[0]) for text in beginning)
    for number, weight in enumerate(weights):
        expected = count * weight / sum(weights)
        assert math.fabs(found[number] - expected) <= len(weights)


def test_files_stream_side_by_side(tmp_path):
    (tmp_path / "a").write_text("1\n2\n")
    (tmp_path / "b").write_text("one\ntwo\n")
    files = [read_text(tmp_path / name, by="line") for name in "ab"]
    assert list(interleave(files)) == ["1", "one", "2", "two"]


@pytest.mark.parametrize(
    "sources, options, error, message",
    [
        ([], {}, ValueError, "sources must hold at least one"),
        ([["a"], iter("b")], {}, TypeError, "source 1 is of type str_.*iterator"),
        (["abc"], {}, TypeError, "source 0 is of type str"),
        ([["a"], 3], {}, TypeError, "source 1 is of type int"),
        ([["a"]], {"weights": [1, 2]}, ValueError, "weights must be 1 positive"),
        ([["a"]], {"weights": [0]}, ValueError, "weights must be 1 positive"),
        ([["a"]], {"weights": [math.nan]}, ValueError, "weights must be 1 positive"),
        ([["a"]], {"until": "last"}, ValueError, "until must be 'all' or 'first', but is 'last'"),
    ],
)
def test_bad_arguments(sources, options, error, message):
    with pytest.raises(error, match=message):
        interleave(sources, **options)
