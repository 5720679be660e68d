"""How training goes, to look at while it goes."""

import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from kerasrnn.training.epoch_callback import EpochCallback

_SECONDS_BETWEEN_DRAWINGS = 0.1
_SHORT = {"bits_per_character": "bits/char"}  # two rows of figures fit in 80 columns
_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(None),
    TaskProgressColumn(),
    TimeElapsedColumn(),
    TextColumn("elapsed,"),
    TimeRemainingColumn(),
    TextColumn("remaining"),
)


class ProgressBar(EpochCallback):
    """Shows a bar an epoch, with its figures so far and the speed; the figures stay, the validation's among them.

    Without a terminal, as in a log file, it prints one line an epoch. Give `fit` verbose=0 with it.

    Args:
        tokens_per_batch: Tokens in a batch, to show the speed in tokens rather than batches.
        console: Where to show it; the standard output by default.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> x = np.ones((64, 1))
    >>> bar = ProgressBar(tokens_per_batch=32)
    >>> history = model.fit(x, x, validation_split=0.5, epochs=2, verbose=0, callbacks=[bar])
    Epoch 1/2 · 0:0... · training: loss ... · validation: loss ...
    Epoch 2/2 · 0:0... · training: loss ... · validation: loss ...
    """

    def __init__(self, tokens_per_batch: int | None = None, console: Console | None = None) -> None:
        super().__init__()
        self.tokens_per_batch = tokens_per_batch
        self.console = console or Console()
        self._live: Live | None = None
        self._drawn = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._title = f"Epoch {epoch + 1}/{self.params['epochs']}"
        self._begin = time.monotonic()
        self._first: tuple[int, float] | None = None
        self._speed = ""
        if self.console.is_terminal:
            self._bar = Progress(*_COLUMNS, console=self.console, expand=True)
            self._task = self._bar.add_task(self._title, total=self.params.get("steps"))
            # No thread of its own: where fit raises an error, nothing goes on drawing.
            self._live = Live(self._bar, console=self.console, transient=True, auto_refresh=False)
            self._live.start(refresh=True)
            self.console.show_cursor()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        now = time.monotonic()
        if self._first is None:
            self._first = batch, now  # what came before was compilation
        elif now > self._first[1]:
            rate = (batch - self._first[0]) / (now - self._first[1])
            tokens = self.tokens_per_batch
            self._speed = f"{rate * tokens:,.0f} tokens/s" if tokens else f"{rate:,.1f} batches/s"
        if self._live and now > self._drawn + _SECONDS_BETWEEN_DRAWINGS:
            self._drawn = now
            self._bar.update(self._task, completed=batch + 1)
            self._live.update(Group(self._bar, "   ".join([*_figures(logs or {}), self._speed])), refresh=True)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._live:
            self._bar.update(self._task, description=f"{self._title}, validating", completed=self._batches)
            self._live.refresh()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.close()
        figures = logs or {}
        training = {name: value for name, value in figures.items() if not name.startswith("val_")}
        validation = {name: figures[f"val_{name}"] for name in training if f"val_{name}" in figures}
        minutes, seconds = divmod(round(time.monotonic() - self._begin), 60)
        duration = f"{minutes}:{seconds:02}"
        stopped = "" if self.epoch_is_complete else f"stopped after {self._batches:,} of {self.params['steps']:,} batches"
        if self.console.is_terminal:
            table = Table.grid(padding=(0, 2))
            table.add_row(self._title, *_figures(training), duration)
            if validation:
                table.add_row("  validation", *_figures(validation), self._speed, style="bold")
            self.console.print(table, *filter(None, [stopped]), highlight=False)
        else:
            parts = [self._title, stopped, duration, self._speed, f"training: {', '.join(_figures(training))}"]
            parts += [f"validation: {', '.join(_figures(validation))}"] if validation else []
            self.console.print(" · ".join(filter(None, parts)), soft_wrap=True, highlight=False)

    def close(self) -> None:
        """Takes the bar away; to be called where `fit` raised an error."""
        if self._live:
            self._live.stop()
            self._live = None


def _figures(logs: dict[str, Any]) -> list[str]:
    loss_first = sorted(logs, key=lambda name: name != "loss")
    return [f"{_SHORT.get(name, name)} {logs[name]:,.3f}" for name in loss_first]
