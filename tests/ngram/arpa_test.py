import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.ngram import ArpaModel, KneserNeyModel, LaplaceModel, MarkovModel
from kerasrnn.tokenizers import CharTokenizer

TOKENIZER = CharTokenizer(["\ufffd", "\n", "a", "b"])

# MarkovModel(1.0) of "abb" has n(⏎a) = n(ab) = n(bb) = 1: log₁₀ of ¼ at first, of 2/5 for these, and of the rests
# 4/5 after each. It is (n + 1) / (1 + 4) for what follows a counted context, and 1/4 after another: 4/5 · 1/4 = 1/5.
BY_HAND = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-99\t</s>\t0
-0.6020599913\t<unk>\t0
-0.6020599913\t<s>\t-0.09691001301
-0.6020599913\ta\t-0.09691001301
-0.6020599913\tb\t-0.09691001301

\\2-grams:
-0.3979400087\t<s> a
-0.3979400087\ta b
-0.3979400087\tb b

\\end\\
"""

# A file as SRILM writes it: no back-off where nothing follows, spaces, and figures that are no interpolation.
OF_ANOTHER_PROGRAM = """
\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1.0 </s>
-99 <s> -0.5
-0.3 the -0.2
-0.6 cat

\\2-grams:
-0.1 <s> the
-0.9 the cat

\\end\\
"""


def test_by_hand(tmp_path):
    MarkovModel(2, 1.0, tokenizer=TOKENIZER).fit("abb").write_arpa(tmp_path / "bigrams.arpa")
    lines = (tmp_path / "bigrams.arpa").read_text().splitlines()
    assert [line.replace("\t-0", "\t0") if line.endswith("\t-0") else line for line in lines] == BY_HAND.splitlines()


def test_of_another_program(tmp_path):
    (tmp_path / "model.arpa").write_text(OF_ANOTHER_PROGRAM)
    model = ArpaModel(tmp_path / "model.arpa")
    assert model.words == ["</s>", "<s>", "the", "cat"] and model.order == 2 and model.start_token_id == 1
    # <s> the: −0.1; the cat: −0.9; cat the: −0.3; the </s>: −0.2 − 1.0
    logarithms = model.token_log_probabilities([2, 3, 2, 0]) / math.log(10)
    np.testing.assert_allclose(logarithms, [-0.1, -0.9, -0.3, -1.2], rtol=1e-12)
    # </s> after nothing: −0.5 − 1.0; the best two words: the </s> rather than the cat, −0.1 − 0.9
    assert model.most_likely(2)[0].tolist() == [2, 2]  # the the: −0.1 − 0.2 − 0.3


@given(
    st.sampled_from([lambda n, **k: KneserNeyModel(n, **k), lambda n, **k: LaplaceModel(n, 0.3, **k),
                     lambda n, **k: MarkovModel(n, 0.3, **k)]),
    st.integers(1, 4), st.lists(st.integers(0, 3), min_size=1, max_size=40),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_round_trip(tmp_path_factory, make, order, text):
    path = tmp_path_factory.mktemp("arpa") / "model.arpa"
    model = make(order, vocabulary_size=4, start_token_id=2).fit(text)
    model.write_arpa(path)
    read = ArpaModel(path)
    assert read.order == order and read.words == ["0", "1", "<s>", "3"]
    every = [0, 1, 2, 3, 3, 2, 1, 0, 0, 2, 2, 3, 1, 3]
    np.testing.assert_allclose(read.token_log_probabilities(every), model.token_log_probabilities(every), rtol=1e-8)
    assert sum(read.probabilities(every)) == pytest.approx(1)
    assert read.most_likely(4)[1] == pytest.approx(model.most_likely(4)[1])


def test_tokens_that_are_no_words(tmp_path):
    tokenizer = CharTokenizer(["\ufffd", "\n", " ", "\\", "\u2028", "\x00", "é"])
    model = KneserNeyModel(3, tokenizer=tokenizer).fit("é \\é\u2028\x00 é")
    model.write_arpa(tmp_path / "model.arpa")
    read = ArpaModel(tmp_path / "model.arpa", tokenizer=tokenizer)
    assert read.words == ["<unk>", "<s>", "\\x20", "\\\\", "\\u2028", "\\x00", "é"]
    assert read.perplexity("\\ é é\n") == pytest.approx(model.perplexity("\\ é é\n"))
    with pytest.raises(ValueError, match="line 10 should hold words of the vocabulary"):
        ArpaModel(tmp_path / "model.arpa", tokenizer=TOKENIZER)


def test_kenlm_reads_it(tmp_path):
    kenlm = pytest.importorskip("kenlm", reason="kenlm is not installed (pip install kenlm; it needs a C++ compiler)")
    rng = np.random.default_rng(0)
    text = rng.choice(30, 2000, p=np.arange(1, 31) / 465)
    model = KneserNeyModel(4, vocabulary_size=30).fit(text)
    model.write_arpa(tmp_path / "model.arpa")
    theirs, words = kenlm.Model(str(tmp_path / "model.arpa")), ArpaModel(tmp_path / "model.arpa").words
    state, found = kenlm.State(), []
    theirs.NullContextWrite(state)
    judged = rng.integers(0, 30, 500)
    for token in [0, 0, 0, *judged]:
        after = kenlm.State()
        found.append(theirs.BaseScore(state, words[token], after))
        state = after
    np.testing.assert_allclose(np.array(found[3:]) * math.log(10), model.token_log_probabilities(judged), rtol=1e-5)


def test_nothing_impossible_can_be_written(tmp_path):
    with pytest.raises(ValueError, match="needs a model that holds every token to be possible"):
        MarkovModel(2, 0.0, vocabulary_size=3).fit([1, 2]).write_arpa(tmp_path / "model.arpa")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("\\end\\\n", "", r"line \d+ should hold another line, there is 'the end of the file'"),
        ("ngram 2=3", "ngram 3=3", r"line 3 should hold ngram 2=<number>"),
        ("ngram 2=3", "ngram 2=2", r"line 15 should hold \\end\\"),
        ("a b\n", "a\n", r"line 14 should hold log10\(p\), 2 words"),
        ("-0.3979400087\ta b", "x\ta b", r"line 14 should hold numbers"),
        ("a b\n", "a c\n", r"line 14 should hold words of the vocabulary"),
        ("a b\n", "b b\n", r"each 2-gram once"),
        ("\tb\t", "\ta\t", r"once among its 1-grams|words of the vocabulary"),
        (BY_HAND, "", r"line 0 should hold another line"),
        *(
            ("-0.3979400087\ta b", f"{figure}\ta b", r"model.arpa' .* line 14 should hold a log10\(p\) of at most 0")
            for figure in ("0.3979400087", "2e-5", "inf", "nan", "NaN", "1e400")
        ),
        *(
            ("a\t-0.09691001301", f"a\t{figure}", r"model.arpa' .* line 9 should hold a back-off below 308")
            for figure in ("inf", "nan", "1e400", "309")
        ),
    ],
)
def test_damaged_files(tmp_path, old, new, message):
    assert old in BY_HAND
    (tmp_path / "model.arpa").write_text(BY_HAND.replace(old, new))
    with pytest.raises(ValueError, match=message):
        ArpaModel(tmp_path / "model.arpa")


def test_a_file_without_the_parts_of_its_sequences(tmp_path):
    trigrams = BY_HAND.replace("ngram 2=3", "ngram 2=3\nngram 3=1").replace("\\end\\", "\\3-grams:\n-1\tb a b\n\n\\end\\")
    (tmp_path / "model.arpa").write_text(trigrams)
    with pytest.raises(ValueError, match="'b a b' it does not"):
        ArpaModel(tmp_path / "model.arpa")
