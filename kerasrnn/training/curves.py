"""The history of a training, as a table and as a picture."""

import csv
import math
import os
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kerasrnn._files import read_csv, write_whole
from kerasrnn.training.epoch_callback import EpochCallback

# What to draw, the best choice first, with the axis's label.
_LABELS = {"bits_per_character": "bits per character", "perplexity": "perplexity of a token", "loss": "loss"}


class Curves(EpochCallback):
    """Writes history.csv and curves.png after each complete epoch.

    history.csv has a row an epoch with all its figures. curves.png draws one of them, for training and validation:
    bits per character, else perplexity, else the loss. A training that goes on from epoch n (`initial_epoch`) keeps
    the rows of the epochs before, and replaces those after.

    Args:
        folder: Where to write the two files.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> x = np.ones((8, 1))
    >>> history = model.fit(x, x, epochs=2, verbose=0, callbacks=[Curves("run")])
    >>> history = model.fit(x, x, epochs=3, initial_epoch=2, verbose=0, callbacks=[Curves("run")])
    >>> read_history("run/history.csv")["epoch"]
    [1.0, 2.0, 3.0]
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__()
        self.folder = Path(folder)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.epoch_is_complete:
            return
        path = self.folder / "history.csv"
        rows: list[dict[str, Any]] = [row for row in _read(path) if int(row["epoch"]) <= epoch]
        rows.append({"epoch": epoch + 1, **(logs or {})})
        write_whole(path, lambda beside: _write(beside, rows))
        figure = draw_curves(read_history(path))
        write_whole(self.folder / "curves.png", lambda beside: figure.savefig(beside, dpi=150))


def read_history(path: str | os.PathLike[str]) -> dict[str, list[float]]:
    """Reads a history.csv: a list of numbers for each column, in the order of the epochs.

    Raises:
        ValueError: If it is damaged.
    """
    rows = _read(Path(path))
    return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else ())}


def draw_curves(history: dict[str, list[float]]) -> Figure:
    """Draws training and validation against the epochs.

    Args:
        history: What `read_history` returns.

    Returns:
        A matplotlib figure, outside pyplot's global state: call its `savefig`.
    """
    measured = [name for name in _LABELS if name in history]
    # A column has gaps where the run began with other metrics.
    name = next((name for name in measured if not any(map(math.isnan, history[name]))), measured[-1])
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel=_LABELS[name])
    axes.plot(history["epoch"], history[name], "o-", markersize=3.5, color="tab:blue", label="training")
    if validation := history.get(f"val_{name}"):
        axes.plot(history["epoch"], validation, "o-", markersize=3.5, color="tab:orange", label="validation")
        best = min(validation)
        epoch = history["epoch"][validation.index(best)]
        axes.axhline(best, color="tab:orange", linewidth=0.8, linestyle=":")
        axes.set_title(f"best on validation: {best:.3f} {_LABELS[name]}, after epoch {epoch:.0f}", fontsize="medium")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    rows = read_csv(path)
    if rows and "epoch" not in rows[0]:
        raise ValueError(f"{str(path)!r} must have a column 'epoch', but has {list(rows[0])}. Move it away.")
    return rows


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        # The names of all rows: what is measured may change when training goes on.
        writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(name for row in rows for name in row)), restval="nan")
        writer.writeheader()
        writer.writerows(rows)
