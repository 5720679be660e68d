"""The JavaScript client's tokenizers, streams of text and stop strings: the Python runtime's, over any text."""

import json
import random

import numpy as np
import pytest

from kerasrnn.export.runtime.pieces import Pieces
from kerasrnn.export.runtime.stop import UntilStop
from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification
from kerasrnn.tokenizers import ByteTokenizer, CharTokenizer, WordTokenizer
from kerasrnn.tokenizers._split import FORMER_WORDS_AND_SYMBOLS
from kerasrnn.tokenizers.patterns import NON_SPACES, WORDS_AND_SPACES, WORDS_AND_SYMBOLS
from unicode_texts import TEXTS

CHARACTERS = ["\ufffd", "\n", " ", "a", "b", "\0", "\r", "é", "e", "\u0301", "ש", "😀", "\ufeff", "\U0010ffff", "ß", "σ", "i"]
WORDS = ["<unk>", "<s>", "a", "b", "ab", "\n", ".", "é😀", " a", "\ufffd", "-", "]", "a-b", "i", "σ", "\u2028"]
TOKENIZERS = {
    "characters": CharTokenizer(CHARACTERS),
    "normalized": CharTokenizer(CHARACTERS, normalization="NFKC"),
    "lower case": CharTokenizer(CHARACTERS, lowercase=True),
    "letters": CharTokenizer(["\ufffd", " ", "a", "c"], standardize="letters"),
    "bytes": ByteTokenizer(),
    "words": WordTokenizer(WORDS),
    "words and spaces": WordTokenizer(WORDS, pattern=WORDS_AND_SPACES, separator=""),
    "lower-case words": WordTokenizer(WORDS, pattern=r"\w+|[^\w\s]", lowercase=True, separator="—"),
    "no spaces": WordTokenizer(WORDS, pattern=NON_SPACES, start_token="\n"),
    "bytes that end": ByteTokenizer(end_token="</s>", padding_token="<pad>"),
    "characters that end": CharTokenizer(["<pad>", *CHARACTERS, "</s>"], end_token="</s>", padding_token="<pad>"),
    "words that end": WordTokenizer([*WORDS, "\u3000"], pattern=NON_SPACES, end_token="a-b"),
    "odd pattern": WordTokenizer(WORDS, pattern=r"\w{2}|\w|[]\-.]+|\}|.", lowercase=True),
}
PATTERNS = {"symbols": WORDS_AND_SYMBOLS, "spaces": WORDS_AND_SPACES, "former": FORMER_WORDS_AND_SYMBOLS}
ALPHABET = [*CHARACTERS, *"AÉΣẞİſǅ.'-_—]}{1234\t\f\v\x85\x1c\u00a0\u2028\u200d\u3000\uffff<s>"]


def texts():
    chance = random.Random(0)
    short = ["".join(chance.choice(ALPHABET) for _ in range(chance.randrange(12))) for _ in range(300)]
    anything = [chr(c) for c in range(0, 0x110000, 997) if not 0xD800 <= c < 0xE000]
    return ["", *short, "".join(anything), "".join(map(chr, range(0x3000)))]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_token_ids_and_texts_are_the_runtime_s(in_node, name):
    specification = TOKENIZERS[name].specification()
    runtime = tokenizer_from_specification(specification)
    found = in_node(
        f"(() => {{ const tokenizer = client.tokenizerFrom({json.dumps(specification)});"
        f"const ids = {json.dumps(texts())}.map((text) => tokenizer.tokenize(text));"
        "return [ids, ids.map((row) => tokenizer.detokenize(row)), tokenizer.startTokenId, tokenizer.neverDrawn,"
        "tokenizer.endTokenId ?? null, tokenizer.paddingTokenId ?? null]; })()"
    )
    expected = [runtime.tokenize(text).tolist() for text in texts()]
    assert found[0] == expected
    assert found[1] == [runtime.detokenize(row) for row in expected]
    assert found[2] == runtime.start_token_id and sorted(found[3]) == runtime.never_drawn
    assert found[4:] == [runtime.end_token_id, runtime.padding_token_id]


@pytest.mark.parametrize("name", PATTERNS)
def test_words_of_all_scripts_are_the_runtime_s(in_node, name):
    tokenizer = WordTokenizer(pattern=PATTERNS[name])
    tokenizer.adapt(TEXTS)
    specification = tokenizer.specification()
    runtime = tokenizer_from_specification(specification)
    found = in_node(
        f"(() => {{ const tokenizer = client.tokenizerFrom({json.dumps(specification)});"
        f"return {json.dumps(TEXTS)}.map((text) => tokenizer.tokenize(text)); }})()"
    )
    assert found == [runtime.tokenize(text).tolist() for text in TEXTS]


@pytest.mark.parametrize("name", ["bytes", "words", "characters"])
def test_pieces_are_the_runtime_s(in_node, name):
    specification, random_ids = TOKENIZERS[name].specification(), np.random.default_rng(0)
    runtime = tokenizer_from_specification(specification)
    often = list(b"a\x00\x80\x90\xa0\xbf\xc0\xc3\xa9\xe0\xe2\x98\x83\xed\xf0\x9f\xf4\xff")
    pool = often if name == "bytes" else range(2, 12)
    rows = [random_ids.choice(pool, size).tolist() for size in [*range(30)] * 3 + [200, 200]]
    if name == "bytes":
        rows += [[0xFF] * 150, list("😀".encode()[:3]) * 50]
    found = in_node(
        f"(() => {{ const tokenizer = client.tokenizerFrom({json.dumps(specification)});"
        f"return {rows}.map((ids) => {{ const pieces = new client.Pieces((row) => tokenizer.detokenize(row));"
        "return [...ids.map((id) => pieces.add(id)), pieces.rest()]; }); })()"
    )
    for row, given in zip(rows, found, strict=True):
        pieces = Pieces(runtime.detokenize)
        assert given == [*map(pieces.add, row), pieces.rest()]
        assert "".join(given) == runtime.detokenize(row)


@pytest.mark.parametrize("stop", ["", "a", "ab", "aab", "ababc", "ccc", "😀", "\ufffd"], ids=ascii)
def test_stop_strings_are_kept_back_as_the_runtime_does(in_node, stop):
    chance = random.Random(0)
    lengths = [[chance.randrange(4) for _ in range(12)] for _ in range(30)]
    cases = [["".join(chance.choice("abc😀") for _ in range(length)) for length in row] for row in lengths]
    found = in_node(
        f"{json.dumps(cases)}.map((pieces) => {{ const writer = new client.UntilStop({json.dumps(stop)});"
        "return [pieces.map((piece) => writer.add(piece)), writer.rest(), writer.stopped]; })"
    )
    for pieces, given in zip(cases, found, strict=True):
        writer = UntilStop(stop)
        assert given == [[*map(writer.add, pieces)], writer.rest(), writer.stopped]


@pytest.mark.parametrize("change", [{"class_name": "SubwordTokenizer"}, {"version": 3}, {"class_name": "toString"}], ids=str)
def test_a_tokenizer_it_does_not_know_is_an_error_that_says_so(in_node, change):
    specification = json.dumps({**TOKENIZERS["characters"].specification(), **change})
    message = in_node(f"(() => {{ try {{ client.tokenizerFrom({specification}) }} catch (error) {{ return error.message }} }})()")
    assert "expected version 1 or 2 of ByteTokenizer, CharTokenizer, WordTokenizer; received version" in message
    assert "use the runtime in Python" in message


@pytest.mark.slow
@pytest.mark.parametrize("make", [ByteTokenizer, WordTokenizer])
def test_node_writes_bytes_and_words_as_the_runtime_does(node, make, tmp_path):
    from kerasrnn.cells import LSTMCell
    from kerasrnn.export.runtime import load
    from kerasrnn.models import LanguageModel

    tokenizer = make()
    tokenizer.adapt("the cat sat on the mat; the dog lay by the log. é☃😀")
    folder = LanguageModel(LSTMCell(8), tokenizer=tokenizer).export(tmp_path / "onnx", format="onnx")
    session = load(folder)
    whole = session.generate("the é", 60, seed=3)
    for stop in ("", whole[9:12].replace("\ufffd", ""), "zzz"):
        expected = session.generate("the é", 60, seed=3, stop=stop)
        options = ["--prompt=the é", "--max-new-tokens=60", "--seed=3", f"--stop={stop}"]
        if "\0" not in stop:  # which no command line can hold
            assert node(folder, "--stream", *options).stdout == "".join([*session.stream("the é", 60, seed=3, stop=stop)]) + "\n"
        if make is WordTokenizer:
            assert node(folder, *options).stdout == expected + "\n"
        else:
            assert "onnxruntime cuts JavaScript's strings at NUL" in node(folder, *options).stderr
