"""The end token and the padding token of every tokenizer, in TensorFlow, the runtime, ONNX and files."""

import numpy as np
import onnxruntime
import pytest
import spox
import spox.opset.ai.onnx.v20 as op

from kerasrnn._backend import keras
from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification as runtime_tokenizer
from kerasrnn.export.writers._onnx_forms import tokenizer_of
from kerasrnn.export.writers._onnx_sampling import column, integer
from kerasrnn.tokenizers import (
    ByteTokenizer, CharTokenizer, SubwordTokenizer, WordTokenizer, tokenizer_from_specification,
)
from kerasrnn.tokenizers.patterns import NON_SPACES

CLASSES = {
    "bytes": (ByteTokenizer, {}),
    "characters": (CharTokenizer, {}),
    "lower case": (CharTokenizer, {"lowercase": True}),
    "letters": (CharTokenizer, {"standardize": "letters"}),
    "words": (WordTokenizer, {}),
    "between spaces": (WordTokenizer, {"pattern": NON_SPACES}),
    "pieces": (SubwordTokenizer, {"vocabulary_size": 300}),
}
BOTH = {"end_token": "</s>", "padding_token": "<pad>"}
SOME = [{"end_token": "</s>"}, {"padding_token": "<pad>"}, BOTH]
TEXT = "the cat sat </s> on the mat <pad> ."


def make(name, **special):
    create, options = CLASSES[name]
    tokenizer = create(**options, **special)
    tokenizer.adapt(TEXT)
    return tokenizer


@pytest.mark.parametrize("name", CLASSES)
def test_without_them_nothing_changes(name):
    tokenizer = make(name)
    assert (tokenizer.end_token_id, tokenizer.padding_token_id) == (None, None)
    specification = tokenizer.specification()
    assert specification["version"] == 1
    assert not {"end_token", "padding_token"} & {*specification, *tokenizer.get_config()}
    assert runtime_tokenizer(specification).end_token_id is None


@pytest.mark.parametrize("special", SOME, ids=" ".join)
@pytest.mark.parametrize("name", CLASSES)
def test_ids(name, special):
    tokenizer, plain = make(name, **special), make(name)
    vocabulary, size = tokenizer.get_vocabulary(), tokenizer.vocabulary_size()
    ids = {"end_token": tokenizer.end_token_id, "padding_token": tokenizer.padding_token_id}
    for kind, id in ids.items():
        assert (id is None) == (kind not in special)
        if id is not None:
            assert vocabulary[id] == special[kind] and tokenizer.token_to_id(special[kind]) == id
    if name == "bytes":
        assert vocabulary[:257] == plain.get_vocabulary() and size == 257 + len(special)
    elif "padding_token" in special:
        assert (ids["padding_token"], tokenizer.unknown_token_id) == (0, 1)
    assert runtime_tokenizer(tokenizer.specification()).end_token_id == ids["end_token"]
    assert runtime_tokenizer(tokenizer.specification()).padding_token_id == ids["padding_token"]


@pytest.mark.parametrize("special", SOME, ids=" ".join)
@pytest.mark.parametrize("name", CLASSES)
def test_no_text_holds_them(name, special):
    tokenizer = make(name, **special)
    runtime, controls = runtime_tokenizer(tokenizer.specification()), [tokenizer.token_to_id(t) for t in special.values()]
    ids = tokenizer.tokenize(TEXT).numpy()
    assert not np.isin(ids, controls).any()
    assert runtime.tokenize(TEXT).tolist() == ids.tolist()
    between = np.concatenate([[id, *controls] for id in ids])
    text = tokenizer.detokenize(ids).numpy().decode()
    assert tokenizer.detokenize(between).numpy().decode() == runtime.detokenize(between) == text
    assert tokenizer.detokenize([ids, between]).numpy().tolist() == [text.encode()] * 2
    assert tokenizer.end_token_id not in runtime.never_drawn
    assert tokenizer.padding_token_id is None or tokenizer.padding_token_id in runtime.never_drawn
    if name != "pieces":
        given = spox.argument(spox.Tensor(np.str_, ("batch",)))
        token_ids, lengths = tokenizer_of(tokenizer.specification()).tokenize(given)
        time = op.range(integer(0), op.squeeze(op.shape(token_ids, start=1), integer([0])), integer(1))
        again = tokenizer_of(tokenizer.specification()).detokenize(token_ids, op.less(time, column(lengths)))
        graph = spox.build({"text": given}, {"token_ids": token_ids, "again": again}).SerializeToString()
        found, back = onnxruntime.InferenceSession(graph).run(None, {"text": np.array([TEXT], object)})
        assert found[0].tolist() == ids.tolist() and back.tolist() == [text]


@pytest.mark.parametrize("special", SOME, ids=" ".join)
@pytest.mark.parametrize("name", CLASSES)
def test_version_2_is_written_and_read(name, special, tmp_path):
    tokenizer = make(name, **special)
    specification = tokenizer.specification()
    assert specification["version"] == 2 and {**BOTH, **dict.fromkeys(BOTH), **special}.items() <= specification.items()
    tokenizer.save(tmp_path / "tokenizer.json")
    for other in (
        tokenizer_from_specification(specification),
        type(tokenizer).load(tmp_path / "tokenizer.json"),
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(tokenizer)),
    ):
        assert other.specification() == specification


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("read", [tokenizer_from_specification, runtime_tokenizer])
@pytest.mark.parametrize("version", [0, 3, "2", None])
def test_an_unknown_version_is_refused(read, name, version):
    with pytest.raises(ValueError, match="version 1 or 2.*upgrade"):
        read({**make(name, **BOTH).specification(), "version": version})


def test_version_1_has_none_of_them():
    specification = make("words", **BOTH).specification()
    with pytest.raises(ValueError, match="expected end_token and padding_token in version 2"):
        tokenizer_from_specification({**specification, "version": 1})
    with pytest.raises(ValueError, match="end_token and padding_token in version 2"):
        tokenizer_from_specification({**make("words").specification(), "version": 2})


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize(
    "special, message",
    [
        ({"end_token": "", "padding_token": None}, "end_token must be a string that is neither empty"),
        ({"padding_token": ""}, "padding_token must be a string that is neither empty"),
        ({"end_token": "\ud800"}, "end_token must be a string that is neither empty nor holds NUL or surrogates"),
        ({"end_token": "<x>", "padding_token": "<x>"}, "padding_token must be a token of its own, but '<x>' is the end token"),
        ({"start_token": "\n", "end_token": "\n", "user_defined_symbols": []}, r"end_token must be .* '\\n' is the start token"),
    ],
)
def test_errors(name, special, message):
    create, options = CLASSES[name]
    if create is not SubwordTokenizer:
        special = {key: value for key, value in special.items() if key != "user_defined_symbols"}
    with pytest.raises(ValueError, match=message):
        create(**options, **special)


@pytest.mark.parametrize("name", ["end_token", "padding_token"])
def test_errors_of_one_kind_of_tokenizer(name):
    with pytest.raises(ValueError, match=f"{name} must be a token of its own, but 'a' names a byte"):
        ByteTokenizer(**{name: "a"})
    with pytest.raises(ValueError, match=f"{name} must be a token that no text holds, but 'x' is one of user_defined"):
        SubwordTokenizer(user_defined_symbols=["x"], **{name: "x"})
    with pytest.raises(TypeError, match=f"{name} must be a string or None, but received 3"):
        WordTokenizer(**{name: 3})
    pieces = make("pieces")
    with pytest.raises(ValueError, match=f"{name} must be a control symbol of the model, but 'the' is none"):
        SubwordTokenizer(model=pieces.get_config()["model"], **{name: "the"})
    with pytest.raises(ValueError, match="vocabulary must hold the end token|vocabulary must begin with the padding token"):
        WordTokenizer(["<unk>", "<s>", "a"], **{name: "</s>"})
