import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.tokenizers import WordTokenizer
from kerasrnn.tokenizers.patterns import portable_pattern

PATTERNS = [
    r"\w+|[^\w\s]", r"\S+", r"(?:ab)+|a{2,3}|[]b]", r"[^a-z\s]+|\d", r"\s", r".+|\n", r"\[\\|[\]^-]+|é?😀", r"(a|b)c*x?",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
@given(text=st.text(st.sampled_from("aabcx1_é😀 .[]\\^-\n\r\t\v\f\0\x85\u00a0")))
@settings(deadline=None, max_examples=50)
def test_python_and_tensorflow_find_the_same_words(pattern, text):
    tokenizer = WordTokenizer(pattern=pattern)
    tokenizer.adapt(text)
    expected = [match.group() for match in re.finditer(portable_pattern(pattern), text, re.ASCII)]
    assert [tokenizer.id_to_token(id) for id in tokenizer.tokenize(text).numpy()] == expected


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_portable_pattern_stays_as_it_is(pattern):
    assert portable_pattern(portable_pattern(pattern)) == portable_pattern(pattern)


@pytest.mark.parametrize(
    "pattern, message",
    [
        (r"\p{L}+", r"'\\\\p'"),
        (r"\bword\b", r"'\\\\b'"),
        (r"(?=a)a", r"\(\?="),
        (r"(?i)a", r"\(\?i"),
        (r"(?P<n>a)", r"\(\?P"),
        (r"^a", r"\^"),
        (r"a$", r"\$"),
        (r"a+?", r"\+\?"),
        (r"a*+b", r"\*\+"),
        (r"a{1,2}?", r"}\?"),
        (r"a{,2}b", "{,"),
        (r"[[:alpha:]]+", "alpha"),
        (r"[^\S\n]", r"'\\\\S'"),
        (r"(a)\1", r"'\\\\1'"),
        ("a*", "must not match the empty string"),
        ("", "must not match the empty string"),
        ("[a", "must be a regular expression, but"),
        ("(a", "must be a regular expression, but"),
        ("\ud800", "must be a regular expression, but"),
    ],
)
def test_what_implementations_read_differently_is_refused(pattern, message):
    with pytest.raises(ValueError, match=f"pattern .*{message}"):
        portable_pattern(pattern)


def test_a_pattern_is_a_string():
    with pytest.raises(TypeError, match="pattern must be a regular expression"):
        portable_pattern(re.compile("a"))
