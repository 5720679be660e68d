"""Where texts end and what is never drawn, whatever the tokens are; and the same in the exported graph and the runtime."""

import functools

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from kerasrnn.cells import LSTMCell
from kerasrnn._portable.arguments import GENERATE_INPUTS
from kerasrnn.export.runtime.stepping import Stepping
from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification
from kerasrnn.export.writers.onnx_artefact import _graph
from kerasrnn.models import LanguageModel
from kerasrnn.models.decoding import _never_drawn
from kerasrnn.tokenizers import ByteTokenizer, CharTokenizer, WordTokenizer
from kerasrnn.tokenizers.patterns import NON_SPACES, WORDS_AND_SPACES

TEXT = "the cat sat on the mat; the dog lay by the log. é☃ “Well — so!”\n" * 3
NEW_TOKENS, SEEDS = 70, [3, 4, 5]
OFF = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}


def subwords(**options):
    pytest.importorskip("tensorflow_text", reason="needs pip install 'kerasrnn[subword]'")
    from kerasrnn.tokenizers import SubwordTokenizer

    return SubwordTokenizer(**{"vocabulary_size": 300, **options})


MAKE = {
    "characters": CharTokenizer,
    "lower case": functools.partial(CharTokenizer, lowercase=True),
    "bytes": ByteTokenizer,
    "words": WordTokenizer,
    "words and spaces": functools.partial(WordTokenizer, pattern=WORDS_AND_SPACES, separator="", start_token="\n"),
    "subwords": subwords,
}


@functools.cache
def model(name):
    """Untrained, so that it writes anything, but fond of the letters that stop strings have."""
    keras.utils.set_random_seed(0)
    tokenizer = MAKE[name]()
    tokenizer.adapt(TEXT)
    return LanguageModel(LSTMCell(8), tokenizer=tokenizer)


@functools.cache
def whole(name):
    return generated(name, [""] * 3)["text"]


def generated(name, stop):
    decoder = model(name)._decoder
    given = {"prompt": ["the cat", "", "Ω"], "stop": stop, "seed": SEEDS, "max_new_tokens": [NEW_TOKENS, NEW_TOKENS, 20]}
    values = {**{setting: [value] * 3 for setting, value in OFF.items()}, **given}
    outputs = decoder.write(**{s.name: tf.constant(values[s.name], s.dtype) for s in decoder.inputs["generate"]})
    values = {key: value.numpy().tolist() for key, value in outputs.items()}
    return {**values, "text": [text.decode() for text in values["text"]]}


def stops(name):
    """Strings from within the texts, of tokens' ends and beginnings, and some that never occur."""
    texts, random = whole(name), np.random.default_rng(0)
    for length in (1, 3, 7):
        places = [int(random.integers(0, max(len(text) - length, 1))) for text in texts]
        yield [text[place : place + length].replace("\ufffd", "x") for text, place in zip(texts, places)]
    yield ["zzz", "", "\ufffd"]
    yield ["T", "The", "a\ufffd"]


def before(texts, stop):
    return [text if not s or "\ufffd" in s else text.partition(s)[0] for text, s in zip(texts, stop)]


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.one_in(3)
def test_texts_end_before_the_first_stop_string_everywhere(name):
    tokenizer = model(name).tokenizer
    runtime = tokenizer_from_specification(tokenizer.specification())
    session = onnx_session(name) if name != "subwords" else None
    for stop in stops(name):
        expected = before(whole(name), stop)
        received = generated(name, stop)
        assert received["text"] == expected, stop
        if session is not None:
            in_onnx = session(stop)
            assert in_onnx["text"].tolist() == expected, stop
            assert in_onnx["num_tokens"].tolist() == received["num_tokens"]
            np.testing.assert_allclose(in_onnx["log_likelihood"], received["log_likelihood"], rtol=1e-4, atol=1e-4)
        for text, count, token_ids in zip(expected, received["num_tokens"], drawn(name)):
            # As many tokens as lie within the text, and no more.
            assert count == max(n for n in range(len(token_ids) + 1) if len(runtime.detokenize(token_ids[:n])) <= len(text))


@functools.cache
def drawn(name):
    """The tokens of the whole texts, by the runtime's steps through the model's own call."""
    stepping = stepper(name)
    settings = {"seed": np.array(SEEDS), **{key: np.array([v] * 3, np.float32) for key, v in OFF.items()}}
    settings["top_k"] = settings["top_k"].astype(np.int32)
    rows = np.stack(list(stepping.tokens(["the cat", "", "Ω"], NEW_TOKENS, settings, NoDeadline())), axis=1)
    return [row[:length].tolist() for row, length in zip(rows, (NEW_TOKENS, NEW_TOKENS, 20))]


@pytest.mark.parametrize("name", MAKE)
def test_streams_are_the_texts(name):
    settings = {"seed": np.array(SEEDS[:1]), **{key: np.array([v], np.float32) for key, v in OFF.items()}}
    settings["top_k"] = settings["top_k"].astype(np.int32)
    for (stop, *_), _ in zip(stops(name), range(4)):
        pieces = list(stepper(name).pieces("the cat", stop, NEW_TOKENS, settings, NoDeadline()))
        assert "".join(pieces) == before(whole(name), [stop])[0]
        assert all(pieces) and (len(pieces) > 3 or stop)


class NoDeadline:
    def check(self):
        pass


@functools.cache
def stepper(name):
    language_model = model(name)
    first = dict(zip(language_model.state_names, map(np.asarray, language_model.get_initial_state(1))))

    def step(inputs):
        states = [inputs[state] for state in first]
        logits, states = language_model(inputs["token_ids"], initial_state=states, return_state=True)
        return {"logits": logits.numpy(), **{f"next_{n}": s.numpy() for n, s in zip(first, states)}}

    return Stepping(step, first, tokenizer_from_specification(language_model.tokenizer.specification()))


@functools.cache
def onnx_session(name):
    session = onnxruntime.InferenceSession(_graph(model(name), "generate", None).SerializeToString())
    names = [output.name for output in session.get_outputs()]

    def generate(stop):
        given = {"prompt": ["the cat", "", "Ω"], "stop": stop, "seed": SEEDS, "max_new_tokens": [NEW_TOKENS, NEW_TOKENS, 20]}
        values = {**{setting: [value] * 3 for setting, value in OFF.items()}, **given}
        return dict(zip(names, session.run(names, {n: np.array(values[n], t) for n, t in GENERATE_INPUTS.items()})))

    return generate


NEVER = [
    (lambda: CharTokenizer(["\ufffd", "\n", "a"]), ["\ufffd"]),
    (lambda: CharTokenizer(["?", "a", "A"], unknown_token="?", start_token="A", lowercase=True), ["?", "A"]),
    (lambda: WordTokenizer(["<unk>", "<s>", "a"]), ["<unk>", "<s>"]),
    (lambda: WordTokenizer(["<unk>", "<eos>", "a"], start_token="<eos>", pattern=NON_SPACES), ["<unk>"]),
    (lambda: WordTokenizer(["<unk>", ".", "a"], start_token="."), ["<unk>"]),
    (lambda: ByteTokenizer("<0x80>"), ["<unknown>"]),
]


@pytest.mark.parametrize(("make", "expected"), NEVER)
def test_a_start_token_that_no_text_has_is_never_drawn(make, expected):
    tokenizer = make()
    never = np.flatnonzero(np.isinf(_never_drawn(tokenizer, tokenizer.vocabulary_size())))
    assert sorted(tokenizer.id_to_token(int(id)) for id in never) == sorted(expected)
    assert tokenizer_from_specification(tokenizer.specification()).never_drawn == never.tolist()


@pytest.mark.parametrize("start, expected", [("<s>", ["<unk>", "<s>"]), ("\n", ["<unk>"])])
def test_subwords_never_draw_what_is_no_text(start, expected):
    tokenizer = subwords(start_token=start)
    tokenizer.adapt([TEXT])
    never = tokenizer_from_specification(tokenizer.specification()).never_drawn
    assert [tokenizer.id_to_token(id) for id in never] == expected
    assert never == np.flatnonzero(np.isinf(_never_drawn(tokenizer, tokenizer.vocabulary_size()))).tolist()


def test_a_likely_start_token_is_not_drawn():
    language_model = LanguageModel(LSTMCell(4), tokenizer=WordTokenizer(["<unk>", "<s>", "a", "b"]))
    language_model.output_layer.bias.assign([9.0, 9.0, 1.0, 0.0])
    assert set(language_model.generate("a", 30, seed=1).split()) == {"a", "b"}
