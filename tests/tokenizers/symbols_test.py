"""Where words end, by Unicode's categories: the same in TensorFlow, the runtime and ONNX, and as before for saved tokenizers."""

import re
import unicodedata

import numpy as np
import onnxruntime
import pytest
import spox

from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification
from kerasrnn.export.writers._onnx_forms import tokenizer_of
from kerasrnn.tokenizers import WordTokenizer
from kerasrnn.tokenizers._split import FORMER_WORDS_AND_SYMBOLS
from kerasrnn.tokenizers.patterns import SYMBOLS, UNICODE_SPACES, WORDS_AND_SPACES, WORDS_AND_SYMBOLS
from unicode_texts import CODE_POINTS, TEXTS

INVISIBLE = {0x61C, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF}
FULL_WIDTH_AND_ARABIC = [
    *range(0xFF01, 0xFF10), *range(0xFF1A, 0xFF21), *range(0xFF3B, 0xFF41), *range(0xFF5B, 0xFF66), 0x60C, 0x61B, 0x61F,
]  # fmt: skip
PATTERNS = {"symbols": WORDS_AND_SYMBOLS, "spaces": WORDS_AND_SPACES, "former": FORMER_WORDS_AND_SYMBOLS}


def assigned():
    """What this Python's Unicode and the frozen ranges' both know, as far as can be told."""
    newer = tuple(map(int, unicodedata.unidata_version.split("."))) > (14, 0, 0)
    known = unicodedata.ucd_3_2_0 if newer else unicodedata
    return [character for character in CODE_POINTS if known.category(character) != "Cn"]


def test_the_frozen_ranges_are_the_categories():
    is_symbol = re.compile(f"[{SYMBOLS}]").fullmatch
    expected = {c for c in assigned() if unicodedata.category(c)[0] in "PS" or ord(c) in INVISIBLE}
    assert {c for c in assigned() if is_symbol(c)} == expected


def test_the_frozen_spaces_are_unicode_s():
    is_space = re.compile(f"[{UNICODE_SPACES}]").fullmatch
    assert {c for c in assigned() if is_space(c)} == {c for c in assigned() if c > "\x7f" and c.isspace()}


@pytest.mark.parametrize("symbol", [*map(chr, FULL_WIDTH_AND_ARABIC)], ids=ascii)
def test_full_width_and_arabic_punctuation_are_tokens(symbol):
    tokenizer = WordTokenizer()
    tokenizer.adapt(f"你好{symbol}世界 سلام{symbol}")
    assert {*tokenizer.get_vocabulary()} == {"<unk>", "<s>", "你好", "世界", "سلام", symbol}


def test_spaces_of_all_scripts_are_no_tokens():
    tokenizer = WordTokenizer()
    tokenizer.adapt("a\u00a0b\u3000c\u2028d\u0085e f")
    assert tokenizer.get_vocabulary() == ["<unk>", "<s>", *"abcdef"]


@pytest.mark.parametrize("name", PATTERNS)
def test_every_implementation_splits_alike(name):
    tokenizer = WordTokenizer(pattern=PATTERNS[name])
    tokenizer.adapt(TEXTS)
    expected = [[match.group() for match in re.finditer(PATTERNS[name], text)] for text in TEXTS]
    vocabulary = np.array(tokenizer.get_vocabulary(), object)
    found = tokenizer.tokenize(TEXTS).to_list()
    assert [vocabulary[row].tolist() for row in found] == expected

    specification = tokenizer.specification()
    runtime = tokenizer_from_specification(specification)
    assert [runtime.tokenize(text).tolist() for text in TEXTS] == found

    text = spox.argument(spox.Tensor(np.str_, ("batch",)))
    token_ids, lengths = tokenizer_of(specification).tokenize(text)
    graph = spox.build({"text": text}, {"token_ids": token_ids, "lengths": lengths}).SerializeToString()
    token_ids, lengths = onnxruntime.InferenceSession(graph).run(None, {"text": np.array(TEXTS, object)})
    assert [row[:length].tolist() for row, length in zip(token_ids, lengths)] == found


def test_a_saved_tokenizer_splits_as_before():
    vocabulary = ["<unk>", "<s>", "好，世", "a", "\u00a0", "²", "x²"]
    saved = {
        "class_name": "WordTokenizer", "version": 1, "vocabulary": vocabulary, "unknown_token": "<unk>", "start_token": "<s>",
        "pattern": FORMER_WORDS_AND_SYMBOLS, "lowercase": False, "min_frequency": 1, "max_vocabulary_size": None,
        "separator": " ",
    }  # fmt: skip
    tokenizer, text = WordTokenizer.from_specification(saved), "好，世 a\u00a0a x²"
    assert tokenizer.tokenize(text).numpy().tolist() == [2, 3, 4, 3, 0, 5]
    assert tokenizer_from_specification(saved).tokenize(text).tolist() == [2, 3, 4, 3, 0, 5]
    assert tokenizer.specification() == saved
