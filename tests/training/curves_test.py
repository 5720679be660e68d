import csv

import pytest

from kerasrnn.training import Curves, draw_curves, read_history
from kerasrnn.training.time_limit import TimeLimit


def test_history_goes_on_where_training_does(fit, tmp_path):
    fit(Curves(tmp_path), epochs=4, validation_split=0.5)
    first = read_history(tmp_path / "history.csv")
    fit(Curves(tmp_path), initial_epoch=2, epochs=3, validation_split=0.5)
    second = read_history(tmp_path / "history.csv")
    assert [*first] == ["epoch", "loss", "val_loss"]
    assert first["epoch"] == [1, 2, 3, 4] and second["epoch"] == [1, 2, 3]
    assert second["loss"][:2] == first["loss"][:2] and second["loss"][2] != first["loss"][2]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_an_incomplete_epoch_leaves_no_trace(fit, tmp_path):
    fit(Curves(tmp_path), TimeLimit(1e-9))
    assert not [*tmp_path.iterdir()]


def test_numbers_keep_their_digits(fit, tmp_path):
    history = fit(Curves(tmp_path))
    assert read_history(tmp_path / "history.csv")["loss"] == history.history["loss"]


def test_a_new_figure_leaves_earlier_epochs_without_it(fit, tmp_path):
    fit(Curves(tmp_path), epochs=1)
    fit(Curves(tmp_path), initial_epoch=1, epochs=2, validation_split=0.5)
    with (tmp_path / "history.csv").open() as file:
        assert [row["val_loss"] == "nan" for row in csv.DictReader(file)] == [True, False]


@pytest.mark.parametrize(
    ("history", "label"),
    [
        (
            {"epoch": [1.0, 2.0], "loss": [2.0, 1.0], "perplexity": [7.4, 2.7], "bits_per_character": [2.9, 1.4]},
            "bits per character",
        ),
        ({"epoch": [1.0], "loss": [2.0], "perplexity": [7.4], "val_perplexity": [8.0]}, "perplexity of a token"),
        ({"epoch": [1.0], "loss": [2.0]}, "loss"),
    ],
)
def test_drawing_says_what_it_shows(history, label):
    (axes,) = draw_curves(history).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", label)
    drawn = ["training", "validation"] if f"val_{label.split()[0]}" in history else ["training"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == drawn


def test_a_foreign_history_is_refused(fit, tmp_path):
    (tmp_path / "history.csv").write_text("day,price\n1,2\n")
    with pytest.raises(ValueError, match=r"history.csv' must have a column 'epoch', but has \['day', 'price'\]"):
        fit(Curves(tmp_path))


@pytest.mark.parametrize("content", [b"epoch,loss\n1,\xff\xfe\n", b"\xff\xfee\x00p\x00", b"epoch,loss\n1,much\n", b"loss\n1\n"])
def test_a_damaged_history_is_told_by_name(tmp_path, content):
    (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(ValueError, match="history.csv' must .*Move it away"):
        read_history(tmp_path / "history.csv")
