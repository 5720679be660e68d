"""The forms of `generate`: samplers, several samples, log-probabilities, streams; compiled once."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.cells import LSTMCell
from kerasrnn.export.runtime import pieces as runtime_pieces
from kerasrnn.export.runtime import stop as runtime_stop
from kerasrnn.models import Generation, LanguageModel, _pieces
from kerasrnn.samplers import BeamSearch, Greedy, MinP, Random, Sampler, TopK, TopP
from kerasrnn.tokenizers import ByteTokenizer, CharTokenizer, WordTokenizer

TEXT = "the cat sat on the mat; the dog lay by the log. é☃ “Well — so!”\n" * 3
MAKE = {"characters": CharTokenizer, "bytes": ByteTokenizer, "words": WordTokenizer}


@functools.cache
def model(name="characters"):
    keras.utils.set_random_seed(0)
    tokenizer = MAKE[name]()
    tokenizer.adapt(TEXT)
    made = LanguageModel(LSTMCell(8), tokenizer=tokenizer)
    made.set_weights([3 * w for w in made.get_weights()])
    return made


@pytest.mark.parametrize(
    ("sampler", "arguments"),
    [(Greedy(), {"temperature": 0}), ("greedy", {"temperature": 0}), ("random", {}), (Random(0.7), {"temperature": 0.7}),
     (TopK(3, 0.8), {"top_k": 3, "temperature": 0.8}), (TopP(0.7), {"top_p": 0.7}), ("top_p", {"top_p": 0.9}),
     (MinP(0.3, repetition_penalty=1.2), {"min_p": 0.3, "repetition_penalty": 1.2}),
     (Sampler(0.9, 9, 0.95, 0.01, 1.1),
      {"temperature": 0.9, "top_k": 9, "top_p": 0.95, "min_p": 0.01, "repetition_penalty": 1.1}),
     (keras.saving.serialize_keras_object(TopK(3)), {"top_k": 3})],
    ids=str,
)  # fmt: skip
def test_a_sampler_writes_what_its_settings_write(sampler, arguments):
    prompts = ["the ", "", "dog"]
    assert model().generate(prompts, 30, seed=4, sampler=sampler) == model().generate(prompts, 30, seed=4, **arguments)


def test_samples_are_those_of_the_seeds_that_follow():
    prompts, seeds = ["the ", ""], [5, 90]
    samples = model().generate(prompts, 20, seed=seeds, num_samples=3, temperature=[1.0, 0.5])
    for prompt, seed, temperature, texts in zip(prompts, seeds, (1.0, 0.5), samples, strict=True):
        assert texts == [model().generate(prompt, 20, temperature, seed=seed + i) for i in range(3)]
    assert model().generate("the ", 20, seed=5, num_samples=1) == samples[0][:1]
    assert len(set(model().generate("the ", 20, num_samples=4))) == 4
    assert model().generate("the ", 5, seed=2**63 - 1, num_samples=2)[1] == model().generate("the ", 5, seed=-(2**63))
    assert model().generate([], 5, num_samples=2) == []


def test_prompts_of_all_lengths_in_one_batch_write_what_each_writes_alone():
    prompts, lengths, stops = ["", "the cat " * 90, "é", "Ω the dog"], [1, 30, 17, 40], ["", "t", "", "a"]
    common = {"seed": [1, 2, 3, 4], "temperature": [1, 0, 0.5, 2.0], "return_log_probabilities": True}
    together = model().generate(prompts, lengths, stop=stops, **common)
    for i, found in enumerate(together):
        one = {name: value if isinstance(value, bool) else value[i] for name, value in common.items()}
        alone = model().generate(prompts[i], lengths[i], stop=stops[i], **one)
        assert found.text == alone.text and found.token_ids.tolist() == alone.token_ids.tolist()
        np.testing.assert_allclose(found.log_probabilities, alone.log_probabilities, atol=1e-5)
        assert len(found.token_ids) == lengths[i] or stops[i]


@pytest.mark.parametrize("name", MAKE)
def test_log_probabilities_are_those_of_the_model_as_it_is(name):
    made = model(name)
    found = made.generate("the cat", 25, 0.5, 5, seed=3, stop="sat", return_log_probabilities=True)
    assert isinstance(found, Generation) and found.text == made.generate("the cat", 25, 0.5, 5, seed=3, stop="sat")
    before = [made.tokenizer.start_token_id, *made.tokenizer.tokenize("the cat").numpy()]
    token_ids = np.array([[*before, *found.token_ids]])
    expected = tf.nn.log_softmax(made(token_ids[:, :-1]))[0].numpy()[len(before) - 1 :]
    expected = expected[np.arange(len(found.token_ids)), found.token_ids]
    np.testing.assert_allclose(found.log_probabilities, expected, atol=1e-4)
    assert found.score == pytest.approx(float(found.log_probabilities.sum()), rel=1e-5)
    assert found.log_probabilities.dtype == np.float32 and found.token_ids.dtype == np.int32


@pytest.mark.parametrize("name", MAKE)
def test_the_pieces_of_a_stream_are_the_text(name):
    whole = model(name).generate("the cat", 60, seed=3)
    for stop in ("", whole[5:6], whole[20:23], "zzz"):
        pieces = list(model(name).generate("the cat", 60, seed=3, stop=stop, stream=True))
        assert "".join(pieces) == model(name).generate("the cat", 60, seed=3, stop=stop)
        assert all(pieces)
    assert len(list(model(name).generate("the cat", 60, seed=3, stream=True))) > 20
    beginning = next(model(name).generate("the cat", 10**9, seed=3, stream=True))  # nothing waits for the end
    assert whole.startswith(beginning)


@functools.cache
def byte_texts():
    return lambda token_ids: bytes(token_ids).decode("utf-8", "replace")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=90), st.text("aé☃ ", max_size=3))
def test_pieces_are_the_runtimes(data, stop):
    written = []
    for module, until in ((_pieces, _pieces), (runtime_pieces, runtime_stop)):
        pieces, writer = module.Pieces(byte_texts()), until.UntilStop(stop)
        written.append([writer.add(pieces.add(token)) for token in data])
        written[-1] += [writer.add(pieces.rest()), writer.rest()]
    assert written[0] == written[1]
    assert "".join(written[0]) == (byte_texts()(data).partition(stop)[0] if stop else byte_texts()(data))


def test_compiled_once_for_all_lengths_batches_and_settings():
    made = LanguageModel(LSTMCell(4), tokenizer=model().tokenizer)
    for prompt, steps, arguments in (
        ("a", 1, {}), (["the", ""], 7, {"top_p": 0.5}), ("the cat " * 100, 20, {"stop": "t", "temperature": 0}),
        (["a"] * 5, [1, 2, 3, 4, 5], {"num_samples": 2, "return_log_probabilities": True}),
    ):  # fmt: skip
        made.generate(prompt, steps, **arguments)
    for prompt in ("", "the cat", "dog" * 400):
        assert "".join(made.generate(prompt, 3, stream=True))
    for text in ("a", ["the cat", ""], "dog" * 700):
        made.score(text)
    for texts in (["a"], ["the cat", "dog", "log" * 500]):
        made.choose("the ", texts)
    decoder = made._decoder
    for function in (decoder.write, decoder.begin, decoder.step, decoder.text_of_tokens, decoder.score_chunk):
        assert function.experimental_get_tracing_count() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"sampler": "best"}, "^sampler: expected one of 'greedy'"),
     ({"sampler": "top_p", "temperature": 0.5}, "^temperature: expected nothing beside sampler=TopP.*received 0.5"),
     ({"sampler": Greedy(), "top_k": [1]}, "^top_k: expected nothing beside sampler="),
     ({"num_samples": 0}, "^num_samples: expected an integer of at least 1; received 0"),
     ({"num_samples": 2.5}, "^num_samples: expected"),
     ({"prompt": ["a"], "stream": True}, "^prompt: with stream=True expected one string"),
     ({"num_samples": 2, "stream": True}, "^num_samples: with stream=True expected None"),
     ({"sampler": BeamSearch(2), "stream": True}, "^sampler: with stream=True expected one that draws"),
     ({"return_log_probabilities": True, "stream": True}, "^return_log_probabilities: with stream=True expected False"),
     ({"temperature": -1, "stream": True}, "^temperature: expected"),
     ({"max_new_tokens": [1, 2]}, "^max_new_tokens: expected"), ({"max_new_tokens": [0]}, "^max_new_tokens: expected"),
     ({"max_new_tokens": True}, "^max_new_tokens: expected"),
     ({"sampler": "beam_search", "max_new_tokens": 0}, "^max_new_tokens: expected")],
    ids=str,
)  # fmt: skip
def test_bad_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        model().generate(**{"prompt": "the ", "max_new_tokens": 5, **arguments})
