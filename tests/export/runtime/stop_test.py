"""The stop string, a token at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasrnn.export.runtime.stop import UntilStop


@pytest.mark.parametrize(("text", "stop"), [("aab", "ab"), ("ababac", "abac"), ("aaa", "b"), ("abab", "abc"), ("", "a"), ("xaax", "aa")])
def test_examples(text, stop):
    check(text, stop)


@given(st.text("ab", max_size=20), st.text("ab", min_size=1, max_size=5))
def test_any_text_ends_before_the_first_stop_string(text, stop):
    check(text, stop)


def check(text, stop):
    writer, given = UntilStop([*map(ord, stop)]), []
    for character in text:
        given += writer.add(ord(character))
        assert "".join(map(chr, given)) == text[: len(given)]
    assert "".join(map(chr, given + writer.rest())) == text.partition(stop)[0]
    assert writer.stopped == (stop in text)
