"""kerasrnn compare"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kerasrnn._files import write_whole
from kerasrnn.cli import _plots
from kerasrnn.cli._folders import require_run
from kerasrnn.cli._tensorflow import load_tensorflow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LABELS = {"bits_per_character": "bits per character", "perplexity": "perplexity of a token", "loss": "loss"}


@dataclass(frozen=True)
class _Run:
    path: Path
    history: dict[str, list[float]]
    settings: dict[str, Any]
    corpus: str
    checksum: str
    parameters: int | None

    def best(self, figure: str) -> float | None:
        values = self.history.get(f"val_{figure}")
        return min(values) if values and not any(map(math.isnan, values)) else None


def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of runs.")],
    out: Annotated[
        Path | None, typer.Option(metavar="PLOT", help="Where to draw the curves, one over the other: a .png, .svg or .pdf.")
    ] = None,
) -> None:
    """Compare runs: the best figures on validation, size, time, and the settings in which they differ; and their curves.

    The best run by bits per character comes first, or by perplexity where a tokenizer does not keep the text. Perplexities
    compare only between runs with the same tokenizer.

    Example:  kerasrnn compare runs/lstm runs/gru --out curves.png
    """
    _plots.check_format(out)
    require_run(*folders)
    load_tensorflow()
    runs = list(map(_read, folders))
    figure = next((name for name in _LABELS if all(run.best(name) for run in runs)), "loss")
    runs.sort(key=lambda run: run.best(figure) or float("inf"))
    console = Console(highlight=False)
    console.print(_figures(runs))
    if differing := _differing(runs):
        console.print(differing)
    if len({run.checksum for run in runs}) > 1:
        console.print("These runs have different corpora: their figures do not compare.", style="yellow")
    elif len({tuple(value for name, value in run.settings.items() if name in _vocabulary_settings()) for run in runs}) > 1:
        advice = "compare them by bits per character" if figure == "bits_per_character" else "their figures do not compare"
        console.print(f"These runs have different tokens: {advice}.", style="yellow")
    if out:
        write_whole(out, lambda beside: _draw(runs).savefig(beside, dpi=150))
        console.print(Text(f"The curves are in {out}."), soft_wrap=True)


def _vocabulary_settings() -> tuple[str, ...]:
    from kerasrnn.training.settings import TOKENIZER_SETTINGS

    return TOKENIZER_SETTINGS


def _read(folder: Path) -> _Run:
    from kerasrnn.training import RunFolder, read_history

    run = RunFolder(folder)
    history = read_history(folder / "history.csv")
    if not history:
        raise ValueError(f"{str(folder)!r} has no complete epoch yet. Train on, or leave it out.")
    corpus = ", ".join(Path(name).name for name in run.corpus_names)
    return _Run(folder, history, asdict(run.settings), corpus, run.checksum, run.parameters)


def _figures(runs: Sequence[_Run]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", overflow="fold")
    for title in ("perplexity", "bits a\ncharacter", "best\nepoch", "epochs", "parameters", "minutes"):
        table.add_column(title, justify="right", no_wrap=True)
    for run in runs:
        losses, seconds = run.history.get("val_loss", []), run.history.get("seconds", [])
        cells = [
            _shown(run.best("perplexity"), "{:,.2f}"),
            _shown(run.best("bits_per_character"), "{:.4f}"),
            _shown(run.history["epoch"][losses.index(min(losses))] if losses else None, "{:.0f}"),
            f"{len(run.history['epoch'])} of {run.settings['epochs']}",
            _shown(run.parameters, "{:,}"),
            _shown(sum(seconds) / 60 if seconds else None, "{:,.1f}"),
        ]
        table.add_row(*map(Text, [str(run.path), *cells]))
    return table


def _differing(runs: Sequence[_Run]) -> Table | None:
    """The settings in which the runs differ, a column a run: names are long, and values short."""
    rows = {name: [_shown(run.settings[name], "{}") for run in runs] for name in runs[0].settings if name != "epochs"}
    rows = {"corpus": [f"{run.corpus} ({run.checksum[:6]})" for run in runs]} | rows
    rows = {name: values for name, values in rows.items() if len(set(values)) > 1}
    if not rows:
        return None
    table = Table("setting", box=box.SIMPLE_HEAD, pad_edge=False)
    for run in runs:
        table.add_column(Text(str(run.path)), justify="right", overflow="fold")
    for name, values in rows.items():
        table.add_row(name, *map(Text, values))
    return table


def _shown(value: Any, form: str) -> str:
    return "" if value is None else form.format(value)


def _draw(runs: Sequence[_Run]) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    # A column has gaps where the run began with other metrics.
    whole = [{name for name, values in run.history.items() if not any(map(math.isnan, values))} for run in runs]
    name = next((name for name in _LABELS if all(name in names for names in whole)), None)
    if name is None:
        raise ValueError(f"the runs must have one of {', '.join(_LABELS)} in history.csv, all of them. Leave --out out.")
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel=_LABELS[name], title="lines: validation, dots: training")
    for run in runs:
        validation = run.history.get(f"val_{name}")
        color = None
        if validation:
            (line,) = axes.plot(run.history["epoch"], validation, "o-", markersize=3.5, label=str(run.path))
            color = line.get_color()
        axes.plot(run.history["epoch"], run.history[name], ":", color=color, label=None if validation else str(run.path))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
