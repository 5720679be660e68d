import pytest

from kerasrnn.training import Settings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cell": "rnn"}, "cell must be one of lstm, gru, simple_rnn, min_gru, but is 'rnn'"),
        ({"schedule": "linear"}, "schedule must be one of cosine, constant, decay, but is 'linear'"),
        ({"units": 0}, "units must be an integer of at least 1, but is 0"),
        ({"layers": 1.5}, "layers must be an integer of at least 1, but is 1.5"),
        ({"epochs": True}, "epochs must be an integer of at least 1, but is True"),
        ({"batch_size": -1}, "batch_size must be"),
        ({"num_steps": None}, "num_steps must be"),
        ({"seed": -1}, "seed must be an integer of at least 0, but is -1"),
        ({"learning_rate": float("nan")}, "learning_rate must be a positive number, but is nan"),
        ({"tokenizer": "words"}, "tokenizer must be one of char, byte, word, subword, but is 'words'"),
        ({"subword_model": "wordpiece"}, "subword_model must be one of unigram, bpe"),
        ({"vocabulary_size": 2}, "vocabulary_size must be an integer of at least 3, but is 2"),
        ({"minimum_frequency": 0}, "minimum_frequency must be an integer of at least 1"),
        ({"mixed_precision": "float16"}, "mixed_precision must be one of mixed_float16, mixed_bfloat16, or left out"),
        ({"lowercase": "yes"}, "lowercase must be true or false, but is 'yes'"),
        ({"dropout": "half"}, "dropout must be a share in"),
        ({"learning_rate": "fast"}, "learning_rate must be a positive number, but is 'fast'"),
        ({"clip_norm": -1.0}, "clip_norm must be a number of at least 0"),
    ],
)
def test_values_out_of_range(wrong, message):
    with pytest.raises(ValueError, match=message):
        Settings(**wrong)


def test_only_more_epochs_may_differ():
    earlier = Settings(units=8, epochs=4)
    assert Settings(units=8, epochs=9).differences(earlier) == []
    assert Settings(units=8, epochs=3).differences(earlier) == ["epochs: 3, was 4"]
    assert Settings(cell="gru", units=9, epochs=9).differences(earlier) == ["cell: gru, was lstm", "units: 9, was 8"]


def test_presets_are_settings_that_others_win_over():
    settings = Settings.from_preset("zaremba_medium", tokenizer="char", units=9, seed=3)
    assert (settings.tokenizer, settings.units, settings.seed, settings.dropout) == ("char", 9, 3, 0.5)
    assert Settings.from_preset("awd_lstm").tokenizer == "word" and Settings.from_preset("min_gru").tokenizer == "char"
    with pytest.raises(ValueError, match="preset must be one of zaremba_small"):
        Settings.from_preset("zaremba_large")


def test_callbacks_of_settings():
    names = [type(callback).__name__ for callback in Settings.from_preset("awd_lstm").callbacks()]
    assert names == ["VariableLengthRate", "NonMonotonicASGD"] and Settings().callbacks() == []
