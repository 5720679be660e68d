"""The stop string, a piece of text at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasrnn.export.runtime.stop import UntilStop


@pytest.mark.parametrize(("text", "stop"), [("aab", "ab"), ("ababac", "abac"), ("aaa", "b"), ("abab", "abc"), ("", "a"), ("xaax", "aa")])
def test_examples(text, stop):
    check(list(text), stop)


@given(st.lists(st.text("ab", max_size=4), max_size=12), st.text("ab", max_size=5))
def test_any_text_in_any_pieces_ends_before_the_first_stop_string(pieces, stop):
    check(pieces, stop)


def check(pieces, stop):
    writer, text, given = UntilStop(stop), "".join(pieces), ""
    for piece in pieces:
        given += writer.add(piece)
        assert text.startswith(given)
    assert given + writer.rest() == (text.partition(stop)[0] if stop else text)
    assert writer.stopped == bool(stop and stop in text)


def test_nothing_is_kept_back_that_cannot_begin_it():
    writer = UntilStop("the end")
    assert [writer.add(piece) for piece in ("in", " the", " e", "ast", " the ", "end!")] == ["in", " ", "", "the eas", "t ", ""]
    assert writer.stopped


def test_what_stands_for_no_text_never_occurs():
    writer = UntilStop("a\ufffd")
    assert writer.add("a\ufffdb") == "a\ufffdb" and not writer.stopped
