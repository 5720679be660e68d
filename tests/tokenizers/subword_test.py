import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("sentencepiece", reason="needs pip install 'kerasrnn[subword]'")
pytest.importorskip("tensorflow_text", reason="needs pip install 'kerasrnn[subword]'")

from kerasrnn import cells, models
from kerasrnn._backend import keras, tf
from kerasrnn.tokenizers import SubwordTokenizer, tokenizer_from_specification

LINES = ["Call me Ishmael.", "Some years ago, never mind how long precisely,", "the whale and the other whale", "", "é😀 é"] * 5


def adapted(**options):
    tokenizer = SubwordTokenizer(**{"vocabulary_size": 320, **options})
    tokenizer.adapt(LINES)
    return tokenizer


TOKENIZERS = {model_type: adapted(model_type=model_type) for model_type in ("unigram", "bpe")}
LOSSY = adapted(byte_fallback=False, vocabulary_size=60, user_defined_symbols=[])
characters = st.text() | st.text(alphabet="the whale\n\r\0\t\ufeff\u0301éש😀\ufffd\u2585")


@pytest.fixture
def tokenizer():
    return TOKENIZERS["unigram"]


@pytest.mark.parametrize("name", TOKENIZERS)
@given(characters)
@example("\ufeffCRLF\r\n\r\n  two  spaces \0 NUL e\u0301 שלום 😀👩‍👩‍👧 \t<s><unk><0x41>\x85\u2028")
@settings(deadline=None, max_examples=100)
def test_round_trip_of_all_text_without_the_sign_of_a_space(name, text):
    text = text.replace("▁", "")
    tokenizer = TOKENIZERS[name]
    token_ids = tokenizer(text)
    assert token_ids.dtype == tf.int32
    assert tokenizer.detokenize(token_ids).numpy() == text.encode()
    assert not {tokenizer.unknown_token_id, tokenizer.start_token_id} & set(token_ids.numpy().tolist())


def test_the_sign_of_a_space_comes_back_as_a_space(tokenizer):
    assert tokenizer.detokenize(tokenizer("a▁b")).numpy() == b"a b"


@given(st.binary())
@example(b"\xf0\x9f\x98 \xc3")
@settings(deadline=None, max_examples=50)
def test_invalid_utf8_counts_as_the_replacement_character(content):
    tokenizer = TOKENIZERS["bpe"]
    text = content.decode("utf-8", "replace")
    assert tokenizer(content).numpy().tolist() == tokenizer(text).numpy().tolist()


@pytest.mark.parametrize("name", TOKENIZERS)
@given(characters)
@example("é😀\nwhale 😀😀")
@settings(deadline=None, max_examples=50)
def test_offsets_are_where_the_pieces_are(name, text):
    tokenizer = TOKENIZERS[name]
    token_ids, offsets = tokenizer(text).numpy(), tokenizer.offsets(text)
    assert offsets.dtype == np.int64 and offsets.shape == (len(token_ids), 2)
    begin, covered = 0, 0
    for id, (start, end) in zip(token_ids, offsets, strict=True):
        token = tokenizer.id_to_token(int(id))
        if token.startswith("<0x"):
            assert end == start + 1 and int(token[3:5], 16) in text[start:end].encode()
        else:
            assert token == text[start:end].replace(" ", "▁")
        assert begin <= start <= covered
        begin, covered = start, max(covered, end)
    assert covered == len(text)


def test_a_newline_is_always_one_token(tokenizer):
    newline = tokenizer.token_to_id("\n")
    assert tokenizer("the\n\nwhale").numpy().tolist().count(newline) == 2
    assert not any("\n" in token and token != "\n" for token in tokenizer.get_vocabulary())


def test_batches_single_texts_and_pipelines(tokenizer):
    texts = ["the whale", "", "Some 😀"]
    expected = tokenizer.tokenize(texts).to_list()
    assert expected[1] == []
    assert [tokenizer.tokenize(text).numpy().tolist() for text in texts] == expected
    lines = tf.data.Dataset.from_tensor_slices(texts)
    assert [ids.tolist() for ids in lines.map(tokenizer).as_numpy_iterator()] == expected
    joined = next(iter(lines.batch(3).map(tokenizer).map(tokenizer.detokenize))).numpy()
    assert [text.decode() for text in joined] == texts


def test_first_use_inside_a_graph_serves_later_ones():
    tokenizer = SubwordTokenizer.from_config(TOKENIZERS["bpe"].get_config())
    ids = tf.function(tokenizer.tokenize)(tf.constant(["the whale"]))
    assert tokenizer("the whale").numpy().tolist() == ids.to_list()[0]


def test_a_new_seed_leaves_the_tokenizer_and_its_graphs_in_use():
    tokenizer = SubwordTokenizer(300)
    tokenizer.adapt("the whale and the ship " * 50)
    graph = tf.function(tokenizer.tokenize)
    before = tokenizer("the ship").numpy().tolist()
    assert graph(tf.constant("the ship")).numpy().tolist() == before
    keras.utils.set_random_seed(1)
    assert tokenizer("the ship").numpy().tolist() == graph(tf.constant("the ship")).numpy().tolist() == before


def test_what_the_vocabulary_lacks_is_unknown_without_bytes():
    assert LOSSY("ש").numpy().tolist() == [LOSSY.unknown_token_id]
    assert LOSSY.detokenize(LOSSY("the ש")).numpy() == b"the <unk>"
    assert LOSSY.token_to_id("never") == LOSSY.unknown_token_id


def test_special_tokens_have_the_names_asked_for():
    tokenizer = adapted(unknown_token="[UNK]", start_token="[GO]")
    assert tokenizer.get_vocabulary()[:3] == ["[UNK]", "[GO]", "\n"]
    assert (tokenizer.unknown_token_id, tokenizer.start_token_id) == (0, 1)
    newline = adapted(start_token="\n")
    assert newline.get_vocabulary()[newline.start_token_id] == "\n" and "<s>" not in newline.get_vocabulary()


def test_normalization():
    assert (folded := adapted(normalization="nfkc_cf")).detokenize(folded("ﬁne É")).numpy().decode() == "fine é"


def test_the_same_data_makes_the_same_model_in_any_form():
    config = adapted().get_config()
    for data in ("\n".join(LINES), iter(LINES), tf.data.Dataset.from_tensor_slices(LINES).batch(3)):
        other = SubwordTokenizer(vocabulary_size=320)
        other.adapt(data)
        assert other.get_config() == config


def test_long_lines_are_learnt_from():
    tokenizer = SubwordTokenizer(vocabulary_size=300, model_type="bpe")
    tokenizer.adapt("whale " * 2000 + "x" * 5000)
    assert {"whale", "▁whale"} & set(tokenizer.get_vocabulary()) and "xx" in tokenizer.get_vocabulary()


def test_a_sample_of_a_stream_is_always_the_same():
    lines = [f"{number} whales and {number * 7} ships" for number in range(3000)]
    options = {"vocabulary_size": 300, "input_sentence_size": 200}
    one, other = SubwordTokenizer(**options), SubwordTokenizer(**options)
    one.adapt(iter(lines))
    other.adapt(iter(lines))
    assert one.get_config() == other.get_config()


def test_adapt_shows_its_progress(capsys):
    SubwordTokenizer(vocabulary_size=300).adapt(LINES, verbose=1)
    assert "25" in capsys.readouterr().out


def test_an_error_in_the_data_is_raised_as_it_is():
    def lines():
        yield "whale"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        SubwordTokenizer().adapt(lines())


@pytest.mark.parametrize(
    "options, data, message",
    [({}, [], "holds no text"), ({}, ["", "\n"], "holds no text"), ({"vocabulary_size": 100}, LINES, r"100 vs \d+.*Raise it")],
)
def test_data_that_teach_nothing(options, data, message):
    with pytest.raises(ValueError, match=message):
        SubwordTokenizer(**options).adapt(data)


def test_save_load_and_keras_serialisation(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    specification = json.loads((tmp_path / "tokenizer.json").read_text())
    keras_form = json.loads(json.dumps(keras.saving.serialize_keras_object(tokenizer)))
    for other in (
        SubwordTokenizer.load(tmp_path / "tokenizer.json"),
        tokenizer_from_specification(specification),
        keras.saving.deserialize_keras_object(keras_form),
    ):
        assert other.specification() == tokenizer.specification()
        assert other("the whale 😀").numpy().tolist() == tokenizer("the whale 😀").numpy().tolist()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"version": 3}, "upgrade"),
        ({"model": "AAAA"}, "none"),
        ({"model": "?"}, "base64"),
        ({"vocabulary": ["<unk>", "<s>"]}, "vocabulary is not that of the model"),
        ({"unknown_token": "<what>"}, "unknown_token must be the model's, '<unk>'"),
        ({"start_token": "<what>"}, "must hold the start token '<what>'"),
        ({"colour": 1}, "damaged"),
    ],
)
def test_damaged_specifications(tokenizer, tmp_path, change, message):
    (tmp_path / "tokenizer.json").write_text(json.dumps({**tokenizer.specification(), **change}))
    with pytest.raises(ValueError, match=message):
        SubwordTokenizer.load(tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"vocabulary_size": 2}, ValueError, "vocabulary_size must be"),
        ({"vocabulary_size": 1e4}, ValueError, "vocabulary_size must be"),
        ({"model_type": "word"}, ValueError, "model_type must be"),
        ({"character_coverage": 0}, ValueError, "character_coverage must be"),
        ({"normalization": "NFC"}, ValueError, "normalization must be"),
        ({"user_defined_symbols": "ab"}, TypeError, "user_defined_symbols must be a list"),
        ({"input_sentence_size": -1}, ValueError, "input_sentence_size must be"),
        ({"unknown_token": ""}, ValueError, "unknown_token must be"),
        ({"start_token": 1}, TypeError, "start_token must be"),
        ({"model": 1}, TypeError, "model must be bytes"),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        SubwordTokenizer(**options)


def test_use_before_adapt():
    with pytest.raises(ValueError, match=r"adapt\(...\) first or pass model="):
        SubwordTokenizer().tokenize("a")


@pytest.mark.slow
@pytest.mark.parametrize("missing, statement", [("sentencepiece", "t.adapt('a')"), ("tensorflow_text", "t.adapt('a'); t('a')")])
def test_a_missing_package_names_the_extra(missing, statement):
    program = f"import sys; sys.modules[{missing!r}] = None\nfrom kerasrnn.tokenizers import SubwordTokenizer\n"
    program += f"t = SubwordTokenizer()\ntry:\n    {statement}\nexcept ImportError as error:\n    print(error)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'kerasrnn[subword]'" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", TOKENIZERS)
def test_ten_megabytes_without_a_space(name):
    text = "whaleé" * 1_500_000
    assert TOKENIZERS[name].detokenize(TOKENIZERS[name](text)).numpy() == text.encode()


def test_a_language_model_generates_scores_and_is_saved(tokenizer, tmp_path):
    model = models.LanguageModel(cells=[cells.LSTMCell(8)], tokenizer=tokenizer)
    model.compile(optimizer="adam")
    ids = tokenizer(["the whale and the other whale"]).to_tensor()
    model.fit(ids[:, :-1], ids[:, 1:], verbose=0)
    texts = model.generate(["the whale", ""], max_new_tokens=5, seed=7)
    assert texts == model.generate(["the whale", ""], max_new_tokens=5, seed=7)
    log_likelihood, count = model.score("the whale 😀")
    assert np.isfinite(log_likelihood) and count == len(tokenizer("the whale 😀"))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.generate(["the whale", ""], max_new_tokens=5, seed=7) == texts
    assert loaded.score("the whale 😀")[0] == pytest.approx(log_likelihood, rel=1e-5)
