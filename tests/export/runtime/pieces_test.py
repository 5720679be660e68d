"""Text in pieces: together they are the text of all tokens, and none of them changes later."""

import functools
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kerasrnn.export.runtime.pieces import Pieces
from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification
from kerasrnn.tokenizers import ByteTokenizer, WordTokenizer

# Random bytes are hardly ever the beginning of a character; these often are.
BYTES = list(b"a\x00\x80\x90\xa0\xbf\xc0\xc3\xa9\xe0\xe2\x98\x83\xed\xf0\x9f\xf4\xf8\xff")


@functools.cache
def tokenizer(name):
    if name == "subwords":
        pytest.importorskip("sentencepiece", reason="needs pip install 'kerasrnn[subword]'")
        from kerasrnn.tokenizers import SubwordTokenizer

        made = SubwordTokenizer(vocabulary_size=290)
        made.adapt(["the whale ☃ and the other whale é"] * 5)
    else:
        made = {"bytes": ByteTokenizer(), "words": WordTokenizer(["<unk>", "<s>", "a", "\ufffd", "é"])}[name]
    return tokenizer_from_specification(made.specification())


def ids_of(name):
    if name == "words":
        return st.integers(2, 4)
    if name == "bytes":
        return st.sampled_from(BYTES) | st.integers(0, 256)
    words = tokenizer(name)
    named = [words._ids[f"<0x{byte:02X}>"] for byte in BYTES]
    return st.sampled_from(named) | st.integers(0, words.vocabulary_size - 1)


@pytest.mark.parametrize("name", ["bytes", "words", "subwords"])
@given(st.data())
@settings(deadline=None, max_examples=60)
def test_they_are_the_text(name, data):
    check(name, data.draw(st.lists(ids_of(name), max_size=30) | st.lists(ids_of(name), min_size=100, max_size=200)))


@given(st.binary(max_size=40) | st.text(max_size=20).map(str.encode))
@example("né☃😀".encode())
@example("😀".encode()[:3] * 50)
@settings(deadline=None)
def test_any_bytes(content):
    check("bytes", list(content))


def check(name, token_ids):
    detokenize = tokenizer(name).detokenize
    pieces, given = Pieces(detokenize), ""
    for token in token_ids:
        given += pieces.add(token)
        assert detokenize(token_ids).startswith(given)
    assert given + pieces.rest() == detokenize(token_ids)


def test_half_a_character_waits_for_its_end():
    pieces = Pieces(tokenizer("bytes").detokenize)
    assert [pieces.add(byte) for byte in "né☃".encode()] == ["n", "", "é", "", "", "☃"]
    assert pieces.add(0xE2) + pieces.rest() == "\ufffd"


def test_bytes_that_are_never_a_character_take_no_longer_and_longer():
    pieces, start = Pieces(tokenizer("bytes").detokenize), time.perf_counter()
    given = "".join(pieces.add(0xFF) for _ in range(20_000))
    assert given + pieces.rest() == "\ufffd" * 20_000
    assert time.perf_counter() - start < 20  # seconds, where it takes one; all of the text every time would take minutes
