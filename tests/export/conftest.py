"""One small trained model and its two artefacts, shared by the tests of the export."""

import numpy as np
import pytest

TEXT = "the cat sat on the mat; the dog lay by the log. “Well — so!” " * 40


@pytest.fixture(scope="session")
def model():
    import keras

    from kerasrnn.cells import GRUCell, LSTMCell, SimpleRNNCell
    from kerasrnn.data import language_model_dataset
    from kerasrnn.models import LanguageModel
    from kerasrnn.tokenizers import CharTokenizer

    keras.utils.set_random_seed(0)
    tokenizer = CharTokenizer()
    tokenizer.adapt(TEXT)
    model = LanguageModel([LSTMCell(12), GRUCell(11), SimpleRNNCell(10)], tokenizer=tokenizer, embedding=9)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    model.fit(language_model_dataset(TEXT, tokenizer, batch_size=8, num_steps=20, seed=0), epochs=3, verbose=0)
    return model


@pytest.fixture(scope="session")
def onnx_folder(model, tmp_path_factory):
    return model.export(tmp_path_factory.mktemp("export") / "onnx", format="onnx", samples=TEXT)


@pytest.fixture(scope="session")
def saved_model_folder(model, tmp_path_factory):
    return model.export(tmp_path_factory.mktemp("export") / "serving", samples=TEXT)


@pytest.fixture(scope="session")
def expected(model, tmp_path_factory):
    """What Keras computes on a batch of 3, saved for processes that have no Keras."""
    ids = np.random.default_rng(0).integers(0, model.vocabulary_size, (3, 25)).astype(np.int32)
    first, states = model(ids[:, :10], return_state=True)
    second, last_states = model(ids[:, 10:], initial_state=states, return_state=True)
    path = tmp_path_factory.mktemp("expected") / "expected.npz"
    np.savez(
        path, token_ids=ids, forward=model(ids), first=first, second=second,
        **{name: s for name, s in zip(model.state_names, states)},
        **{f"next_{name}": s for name, s in zip(model.state_names, last_states)},
    )  # fmt: skip
    return path
