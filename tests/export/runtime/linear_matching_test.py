"""The matches of Python's `re`, without its exponential time, and with a deadline."""

import re

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasrnn
from kerasrnn.export.runtime import load
from kerasrnn.export.runtime.limits import Deadline
from kerasrnn.export.runtime.linear_matching import LinearMatcher
from kerasrnn.export.runtime.word_tokenizer import WordTokenizer
from kerasrnn.tokenizers import patterns

ATOMS = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\w", r"\.", "[]a]", r"[\]b]", "{", "c"])
QUANTIFIERS = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,}", "{0,2}"])


def sequences(parts):
    return st.lists(st.tuples(parts, QUANTIFIERS), min_size=1, max_size=3).map(lambda items: "".join(a + q for a, q in items))


PATTERNS = sequences(
    st.recursive(
        ATOMS,
        lambda inner: st.lists(sequences(inner), min_size=1, max_size=3).map(lambda choices: f"(?:{'|'.join(choices)})")
        | sequences(inner).map(lambda one: f"({one})"),
        max_leaves=5,
    )
)


@settings(deadline=None, max_examples=150)
@given(PATTERNS, PATTERNS, st.text("abc.{]\n", max_size=8))
def test_matches_are_those_of_re(one, other, text):
    for pattern in (one, f"{one}|{other}"):
        expression = re.compile(pattern, re.ASCII)
        if expression.match("") is None:  # as `portable_pattern` asks
            expected = [match.group() for match in expression.finditer(text)]
            assert [*LinearMatcher(pattern).finditer(text, lambda: None)] == expected, pattern


def test_the_house_s_own_patterns_take_re_as_before():
    for pattern in (patterns.WORDS_AND_SYMBOLS, patterns.WORDS_AND_SPACES, patterns.NON_SPACES, r"\w+|[^\w\s]"):
        assert LinearMatcher(patterns.portable_pattern(pattern)).is_simple
        text = "Don’t — go!  42 \n x"
        assert [*LinearMatcher(pattern).finditer(text, lambda: None)] == re.findall(pattern, text, re.ASCII) or "\\s" in pattern
    for pattern in ("(a+)+b", "a+b", "a?a?a?aaa", "[a-z]+(?:'[a-z]+)*", "a*a*a*b", "(a|a)+b"):
        assert not LinearMatcher(pattern).is_simple


@pytest.mark.parametrize("pattern", ["(?=a)b", "(a)\\1", "a$", "^a", "a*?b", "a++b", "((a{500}){500}){500}b", "(?i)a", "a(?<b>c)"])
def test_what_no_export_writes_is_refused(pattern):
    with pytest.raises(ValueError, match="pattern"):
        WordTokenizer({"version": 1, "vocabulary": ["<unk>", "<s>"], "unknown_token": "<unk>", "start_token": "<s>",
                       "pattern": pattern, "lowercase": False, "separator": " "})  # fmt: skip


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    keras.utils.set_random_seed(0)
    tokenizer = kerasrnn.tokenizers.WordTokenizer(pattern=r"(?:\w+)+!|a+b|[ax]")
    tokenizer.adapt("a! x")
    model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(4), tokenizer)
    return load(model.export(tmp_path_factory.mktemp("linear") / "onnx", format="onnx"))


def test_a_pattern_that_takes_re_for_ever_takes_no_time(session):
    text = "a" * 60
    assert session.tokenizer.tokenize(text).tolist() == session.tokenizer.tokenize("a " * 60).tolist()
    assert session.score(text, deadline=60)[1] == 60
    assert "".join(session.stream(text, 3, seed=1, deadline=60)) == session.generate(text, 3, seed=1, deadline=60)


def test_a_deadline_ends_tokenizing(session):
    text = "a" * 100_000  # as many times through the rest of it
    for call in (session.score, session.generate, lambda *a, **k: [*session.stream(*a, **k)]):
        with pytest.raises(TimeoutError, match="longer than 0.05 s"):
            call(text, deadline=0.05)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), "1", 1e300, True])
def test_a_deadline_is_a_number_of_seconds(seconds):
    with pytest.raises(ValueError, match="^deadline: expected a number of seconds > 0"):
        Deadline(seconds)
