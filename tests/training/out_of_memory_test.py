import pytest

from kerasrnn._backend import keras, tf
from kerasrnn.tokenizers import ByteTokenizer
from kerasrnn.training import Settings, advice_on_memory, out_of_memory, train


def test_what_to_lower_is_named_with_its_value():
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Lambda(lambda x: tf.zeros([2**22, 2**22, 2**10]))])
    model.compile(loss="mse", run_eagerly=True)
    settings = {"batch_size": 64, "num_steps": 35, "units": 7, "mixed_precision": None, "seed": 3}
    expected = r"^Memory does not suffice: .*\. Lower batch_size \(64\), or lower num_steps \(35\), or lower units"
    with pytest.raises(MemoryError, match=expected):
        advice_on_memory(**settings)(model.predict)(tf.zeros((1, 1)), verbose=0)
    with pytest.raises(MemoryError, match="or train in mixed_bfloat16, or keep fewer states") as error:
        with advice_on_memory(**settings):
            raise MemoryError("Unable to allocate 9 GiB")
    assert "seed" not in str(error.value)


def test_other_errors_pass():
    with pytest.raises(ValueError, match="^other$"), advice_on_memory(batch_size=1):
        raise ValueError("other")


@pytest.mark.parametrize("cell", ["lstm", "gru", "simple_rnn", "min_gru"])
@pytest.mark.parametrize("embedding", [None, "one_hot", 3, "tied"])
def test_what_is_needed_is_no_more_than_weights_and_gradient(monkeypatch, cell, embedding):
    network = {"embedding": 3, "tie_embeddings": True} if embedding == "tied" else {"embedding": embedding}
    settings, tokenizer = Settings(cell=cell, units=20, layers=3, **network, tokenizer="byte"), ByteTokenizer()
    model = settings.compiled_model(tokenizer, 1)
    weights = 4 * sum(int(w.shape.num_elements()) for w in model.trainable_variables)
    monkeypatch.setattr(out_of_memory, "_available_bytes", lambda: 2 * weights)
    out_of_memory.check_memory(settings, tokenizer.vocabulary_size())
    monkeypatch.setattr(out_of_memory, "_available_bytes", lambda: weights / 2)
    with pytest.raises(MemoryError, match="the weights and their gradient take"):
        out_of_memory.check_memory(settings, tokenizer.vocabulary_size())


@pytest.mark.parametrize("units, layers", [(2_000_000, 1), (100_000, 40)])
def test_a_model_too_large_is_refused_before_it_is_built(tmp_path, units, layers):
    (tmp_path / "text.txt").write_text("the cat sat on the mat. " * 200)
    message = rf"^Memory does not suffice: the weights .* GiB at least.*Lower units \({units}\), or lower layers \({layers}\)"
    with pytest.raises(MemoryError, match=message):
        train(str(tmp_path / "text.txt"), tmp_path / "run", Settings(units=units, layers=layers))
    assert not (tmp_path / "run").exists()


def test_room_that_an_initializer_does_not_find_is_told_the_same(tmp_path, monkeypatch):
    def build(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[9,9]")

    (tmp_path / "text.txt").write_text("the cat sat on the mat. " * 200)
    monkeypatch.setattr(Settings, "compiled_model", build)
    with pytest.raises(MemoryError, match=r"^Memory does not suffice: OOM .*Lower units \(8\)"):
        train(str(tmp_path / "text.txt"), tmp_path / "run", Settings(units=8))


def test_memory_that_is_available_is_a_number():
    assert 0 < out_of_memory._available_bytes()
