"""The tokenizer that settings describe, and the tokens of corpora as papers count them."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from kerasrnn.training import Settings, read_corpus
from kerasrnn.training.new_tokenizer import adapt, new_tokenizer, token_ids_of

QUIET = Console(quiet=True)
PTB = {
    "train": " no it was n't black monday \n but while the <unk> N stock \n",
    "valid": " it was n't the N \n",
    "test": " <unk> stock \n monday it was \n",
}


@pytest.fixture
def ptb(tmp_path):
    for part, text in PTB.items():
        (tmp_path / f"ptb.{part}.txt").write_text(text)
    return read_corpus(str(tmp_path))


def test_ptb_is_the_token_stream_of_papers(ptb):
    tokenizer = Settings(tokenizer="word").new_tokenizer(ptb.name)
    adapt(tokenizer, ptb.train, QUIET)
    # By hand: 6 and 6 words, each line's end is <eos>; 11 words, <unk> and <eos> are 13 types.
    assert [len(tokenizer(part)) for part in (ptb.train, ptb.validation, ptb.test)] == [14, 6, 7]
    assert tokenizer.vocabulary_size() == 13
    for part in (ptb.train, ptb.validation, ptb.test):
        papers = part.replace("\n", "<eos>").split()
        ours = [tokenizer.id_to_token(id).replace("\n", "<eos>") for id in tokenizer(part).numpy()]
        assert ours == papers
    assert tokenizer.unknown_token_id == tokenizer.token_to_id("<unk>") and tokenizer.start_token == "\n"


def test_ptb_has_its_published_sizes():
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("KERASRNN_DATA", beside), "ptb")
    if not folder.is_dir():
        pytest.skip("Penn Treebank is not shipped: keep it as ptb in the folder that KERASRNN_DATA names")
    corpus = read_corpus(str(folder))
    tokenizer = Settings(tokenizer="word").new_tokenizer(corpus.name)
    adapt(tokenizer, corpus.train, QUIET)
    assert [len(token_ids_of(tokenizer, part, QUIET)) for part in (corpus.train, corpus.test)] == [929_589, 82_430]
    assert tokenizer.vocabulary_size() == 10_000


def test_patterns_by_name_and_by_corpus():
    def tokens(text, corpus_name=None, **options):
        tokenizer = Settings(tokenizer="word", **options).new_tokenizer(corpus_name)
        tokenizer.adapt(text)
        return [tokenizer.id_to_token(id) for id in tokenizer(text).numpy()]

    text = "It wasn't\nso "
    assert tokens(text) == ["It", "wasn", "'", "t", "so"]
    assert tokens(text, "text8") == tokens(text, pattern="non_spaces_and_line_ends") == ["It", "wasn't", "\n", "so"]
    assert tokens(text, pattern="non_spaces", lowercase=True) == ["it", "wasn't", "so"]
    assert "".join(tokens(text, "ptb", pattern="words_and_spaces")) == text
    assert tokens(text, pattern="[a-z]+") == ["t", "wasn", "t", "so"]


def test_options_reach_the_tokenizers():
    config = Settings(vocabulary_size=9, minimum_frequency=2, standardize="letters").new_tokenizer().get_config()
    assert (config["max_vocabulary_size"], config["min_frequency"], config["standardize"]) == (9, 2, "letters")
    config = Settings(tokenizer="word", vocabulary_size=9, minimum_frequency=2).new_tokenizer().get_config()
    assert (config["max_vocabulary_size"], config["min_frequency"]) == (9, 2)
    config = Settings(tokenizer="subword", subword_model="bpe", normalization="nfkc").new_tokenizer().get_config()
    assert (config["vocabulary_size"], config["model_type"], config["normalization"]) == (8000, "bpe", "nfkc")
    assert Settings(tokenizer="subword", vocabulary_size=300).new_tokenizer().get_config()["vocabulary_size"] == 300


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"tokenizer": "byte", "vocabulary_size": 9},
            "vocabulary_size must be left out with .*'byte', .*'char', 'word', 'subword'",
        ),
        ({"tokenizer": "char", "pattern": "x"}, "pattern must be left out with the tokenizer 'char', but is 'x'.*'word'"),
        ({"tokenizer": "subword", "lowercase": True}, "lowercase must be left out with the tokenizer 'subword'"),
        ({"tokenizer": "word", "pattern": "("}, "pattern must be a regular expression"),
        ({"normalization": "nfd"}, "normalization must be"),
        ({"standardize": "digits"}, "standardize must be"),
    ],
)
def test_options_that_a_tokenizer_has_not(options, message):
    with pytest.raises(ValueError, match=message):
        Settings(**options)


KINDS = [
    {"tokenizer": "char"},
    {"tokenizer": "char", "standardize": "letters"},
    {"tokenizer": "byte"},
    {"tokenizer": "word"},
    {"tokenizer": "word", "pattern": "words_and_spaces"},
    {"tokenizer": "word", "pattern": "non_spaces_and_line_ends"},
    {"tokenizer": "word", "pattern": "a[ \n]b|[^ ]"},
]


@given(st.text("ab \n\r.é", max_size=60), st.sampled_from(KINDS), st.integers(1, 9))
@settings(deadline=None, max_examples=150)
def test_pieces_have_the_tokens_of_the_whole(text, options, size):
    tokenizer = Settings(**options).new_tokenizer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kerasrnn.training.new_tokenizer._PIECE", size)
        adapt(tokenizer, text + "a", QUIET)
        ids = token_ids_of(tokenizer, text, QUIET)
    whole = Settings(**options).new_tokenizer()
    whole.adapt(text + "a")
    assert whole.get_vocabulary() == tokenizer.get_vocabulary()
    np.testing.assert_array_equal(ids, whole(text).numpy())


def test_a_terminal_sees_a_bar():
    console = Console(force_terminal=True, record=True, width=100, file=io.StringIO())
    tokenizer = new_tokenizer("char", {})
    adapt(tokenizer, "abc" * 1000, console)
    assert "Learning the vocabulary" in console.export_text()
