"""SavedModels of tokenizers that use tensorflow-text: its resources are saved, its operations found without its import."""

import numpy as np
import pytest

from kerasrnn import cells, models, tokenizers
from kerasrnn.export.writers import _verification
from kerasrnn.export.writers._ops import text_libraries
from kerasrnn.export.writers._plain_tensorflow import plain_tensorflow
from kerasrnn.export.writers._signatures import in_python
from kerasrnn.export.writers._texts import request

pytest.importorskip("tensorflow_text", reason="needs pip install 'kerasrnn[subword]'")

LINES = ["Call me Ishmael.", "the whale and the other whale", "é😀 e\u0301 ﬁ שלום"] * 5
SUBWORDS = {"vocabulary_size": 320, "model_type": "bpe"}
MAKE = {
    "subwords": (lambda: tokenizers.SubwordTokenizer(**SUBWORDS), "_sentencepiece_tokenizer.so"),
    "normalized": (lambda: tokenizers.CharTokenizer(normalization="NFKC"), "_normalize_ops.so"),
}


@pytest.mark.parametrize("name", ["normalized", pytest.param("subwords", marks=pytest.mark.slow)])
def test_strings_in_and_out_in_plain_tensorflow(name, tmp_path, monkeypatch):
    monkeypatch.setattr(_verification, "SETTINGS", [{"temperature": 0.7}, {"top_k": 5}])
    monkeypatch.setattr(_verification, "NEW_TOKENS", 12)
    make, library = MAKE[name]
    tokenizer = make()
    tokenizer.adapt(LINES)
    model = models.LanguageModel(cells.LSTMCell(8), tokenizer=tokenizer)
    folder = model.export(tmp_path / "serving")
    assert text_libraries(folder) == [library]
    prompts = ["the whale", "", "e\u0301 ﬁ 😀\ufffd"]
    with plain_tensorflow(folder) as process:
        inputs = request(prompts, [{}, {"stop": "a"}], 20)
        written = in_python(process.call("generate", inputs)["text"]).tolist()
        scored = process.call("score", {"text": np.array(prompts, object)})
    expected = [
        model.generate(prompt, 20, stop=stop, seed=int(seed))
        for prompt, stop, seed in zip(*(inputs[key].tolist() for key in ("prompt", "stop", "seed")))
    ]
    assert written == expected and all(expected)
    log_likelihood, num_tokens = model.score(prompts)
    np.testing.assert_allclose(scored["log_likelihood"], log_likelihood, rtol=1e-5)
    assert scored["num_tokens"].tolist() == num_tokens.tolist()
    assert num_tokens[2] == (len("é fi 😀\ufffd") if name == "normalized" else num_tokens[2])


@pytest.mark.slow
@pytest.mark.parametrize("make", [tokenizers.ByteTokenizer, tokenizers.WordTokenizer])
def test_bytes_and_words_are_proved_in_both_formats(make, tmp_path):
    tokenizer = make()
    tokenizer.adapt(LINES)
    model = models.LanguageModel(cells.LSTMCell(8), tokenizer=tokenizer)
    serving, onnx = model.export(tmp_path / "serving"), model.export(tmp_path / "onnx", format="onnx")
    assert (onnx / "generate.onnx").is_file() and text_libraries(serving) == []
