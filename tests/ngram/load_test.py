import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.ngram import KneserNeyModel, LaplaceModel, MarkovModel, _files, load_ngram_model
from kerasrnn.tokenizers import CharTokenizer

MODELS = [
    lambda n: MarkovModel(n, 0.0, vocabulary_size=3, start_token_id=1),
    lambda n: LaplaceModel(n, 0.3, vocabulary_size=3),
    lambda n: KneserNeyModel(n, vocabulary_size=3),
]


@given(st.sampled_from(MODELS), st.integers(1, 4), st.lists(st.integers(0, 2), min_size=1, max_size=30))
@settings(deadline=None, max_examples=30)
def test_round_trip(tmp_path_factory, make, order, text):
    path = tmp_path_factory.mktemp("ngram") / "model.npz"
    model = make(order).fit(text)
    model.save(path)
    loaded = load_ngram_model(path)
    assert type(loaded) is type(model) and loaded.get_config() == model.get_config()
    judged = [0, 1, 2, 2, 1, 0, 0]
    assert loaded.token_log_probabilities(judged).tolist() == model.token_log_probabilities(judged).tolist()


def test_the_tokenizer_comes_along(tmp_path):
    model = KneserNeyModel(3, tokenizer=CharTokenizer(["?", "\n", "ü", "b"], unknown_token="?")).fit("übbüb")
    model.save(tmp_path / "model.npz")
    loaded = load_ngram_model(tmp_path / "model.npz")
    assert loaded.tokenizer.get_vocabulary() == ["?", "\n", "ü", "b"]
    assert loaded.generate("ü", 20, seed=3) == model.generate("ü", 20, seed=3)


def test_a_failed_save_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    model = MarkovModel(2, vocabulary_size=3).fit([1, 2])
    model.save(path)
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        model.fit([2, 2]).save(path)
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_nothing_to_save(tmp_path):
    with pytest.raises(ValueError, match="call fit"):
        MarkovModel(2, vocabulary_size=3).save(tmp_path / "model.npz")


DAMAGES = {
    "cut off": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "text": lambda content: b"text",
    "a byte less": lambda content: content[:200] + content[201:],
    "a byte altered": lambda content: content[:200] + bytes([content[200] ^ 255]) + content[201:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files(tmp_path, damage):
    path = tmp_path / "model.npz"
    MarkovModel(2, vocabulary_size=3).fit([1, 2]).save(path)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(ValueError, match=r"path .*model.npz' must be a whole file that save\(\)"):
        load_ngram_model(path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"version": 2}, r"must hold kerasrnn.ngram of version 1, but holds kerasrnn.ngram of version 2"),
        ({"class_name": "KatzModel"}, "must hold one of KneserNeyModel, .* but holds 'KatzModel'"),
    ],
)
def test_other_versions(tmp_path, change, message):
    path = tmp_path / "model.npz"
    MarkovModel(2, vocabulary_size=3).fit([1, 2]).save(path)
    header, arrays = _files.read(path)
    np.savez(path, header=np.frombuffer(json.dumps(header | change).encode(), "uint8"), **arrays)
    with pytest.raises(ValueError, match=message):
        load_ngram_model(path)


def test_an_archive_of_something_else(tmp_path):
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    np.save(tmp_path / "array.npy", np.zeros(3))
    for name in ("other.npz", "array.npy"):
        with pytest.raises(ValueError, match="must be a whole file"):
            load_ngram_model(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load_ngram_model(tmp_path / "none.npz")
