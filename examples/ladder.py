"""The ladder of language models: from counting words to AWD-LSTM, on one split of Moby-Dick, in one table and one plot.

Every rung reads the same training split and is judged on the same test split by `evaluate_text`, which carries the states
through all of it: by the perplexity of words, those that occur less than three times being unknown, and by bits per
character. The rungs: the unigram; interpolated modified Kneser–Ney (Chen and Goodman, 1999); the feed-forward network
(Bengio et al., 2003); Elman's network (1990), GRU (Cho et al., 2014) and LSTM (Hochreiter and Schmidhuber, 1997), each
one layer with dropout around it; AWD-LSTM (Merity et al., 2018): two layers, weight drop, locked and embedding dropout, tied
embeddings, activity regularisation and windows of random lengths. All networks train with Adam for the same `--minutes`,
their learning rate falling to nothing at the end of them, and the weights that were best on the validation split count.
(AWD-LSTM's own optimizer, SGD with averaging, takes hundreds of epochs.)

Run it with `.venv/bin/python examples/ladder.py`. Rungs that are done are kept in the folder `--out`: a ladder that was
stopped goes on from there. `--quick` tries everything in a minute or two.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from kerasrnn.cli._tensorflow import load_tensorflow

load_tensorflow()  # without its chatter

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from kerasrnn._files import read_json, write_json, write_whole
from kerasrnn.cells import GRUCell, LSTMCell, SimpleRNNCell
from kerasrnn.data import Corpus, language_model_dataset, load_corpus, variable_windows
from kerasrnn.models import FeedForwardLanguageModel, LanguageModel
from kerasrnn.ngram import KneserNeyModel, MarkovModel
from kerasrnn.tokenizers import CharTokenizer, Tokenizer, WordTokenizer
from kerasrnn.training import VariableLengthRate, evaluate_text

Show = Callable[[float, str], None]  # of how much is done, 0 to 1, and figures so far
tf.get_logger().setLevel("ERROR")  # each rung is a new model, and so traces anew
RUNGS = ["unigram", "Kneser–Ney", "feed-forward", "Elman", "GRU", "LSTM", "AWD-LSTM"]


class Kind(NamedTuple):
    """Words or characters, and what suits them."""

    tokenizer: Callable[[], Tokenizer]
    figure: str  # of TextQuality
    title: str
    order: int  # of what looks back a fixed number of tokens
    units: int
    embedding: int
    dropout: float
    batch_size: int
    num_steps: int

    @property
    def of_words(self) -> bool:
        return self.figure == "perplexity"


KINDS = {
    "words": Kind(lambda: WordTokenizer(min_frequency=3), "perplexity", "perplexity of words", 5, 256, 256, 0.5, 20, 35),
    "characters": Kind(CharTokenizer, "bits_per_character", "bits per character", 8, 512, 64, 0.1, 32, 64),
}


class Cosine(keras.callbacks.Callback):
    """Lets the learning rate fall to zero within so many minutes, shows how far it is, and then ends the training.

    By the clock, so that every network has the same time and uses it to its end.
    """

    def __init__(self, rate: float, minutes: float, show: Show) -> None:
        super().__init__()
        self.rate, self.seconds, self.show = rate, 60 * minutes, show

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.began: float | None = None
        self.figures = ""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.began is None:
            self.began = time.monotonic()  # what came before was compilation
        share = min((time.monotonic() - self.began) / self.seconds, 1)
        self.model.optimizer.learning_rate = self.rate * (1 + np.cos(np.pi * share)) / 2
        self.show(share, self.figures)
        if share >= 1:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.figures = f"epoch {epoch + 1}, validation loss {logs['val_loss']:.3f}"


def build_network(rung: str, kind: Kind, tokenizer: Tokenizer) -> keras.Model:
    if rung == "feed-forward":
        sizes = {"order": kind.order, "units": kind.units, "embedding": kind.embedding}
        return FeedForwardLanguageModel(tokenizer=tokenizer, dropout=kind.dropout, direct=not kind.of_words, **sizes)
    if rung == "AWD-LSTM":
        # Few characters need no tied embeddings, and are better read through a narrow one.
        units = [kind.units * 3 // 2, kind.embedding] if kind.of_words else [kind.units, kind.units]
        share = kind.dropout
        return LanguageModel(
            [LSTMCell(n) for n in units], tokenizer, embedding=kind.embedding, tie_embeddings=kind.of_words, stateful=True,
            dropout=share / 2, output_dropout=share, embedding_dropout=share / 5, locked_dropout=True, weight_drop=share,
            activity_regularization=2 * share, temporal_activity_regularization=share,
        )  # fmt: skip
    if rung == "Elman":
        # Begun at full size, a network read a few stretches of text far worse than all others (14 nats a word against 6).
        cell = SimpleRNNCell(kind.units, recurrent_initializer=keras.initializers.Orthogonal(0.5))
    else:
        cell = {"GRU": GRUCell, "LSTM": LSTMCell}[rung](kind.units)
    return LanguageModel(cell, tokenizer, embedding=kind.embedding, dropout=kind.dropout, stateful=True)


def train(model: keras.Model, rung: str, kind: Kind, corpus: Corpus, minutes: float, seed: int, show: Show) -> None:
    sizes = {"batch_size": kind.batch_size, "num_steps": kind.num_steps}
    callbacks: list[keras.callbacks.Callback] = []
    steps = None
    streams = {**sizes, "contiguous": rung != "feed-forward"}
    windows = language_model_dataset(corpus.train, model.tokenizer, seed=seed, **streams)
    validation = language_model_dataset(corpus.validation, model.tokenizer, shuffle=False, **streams)
    if rung == "AWD-LSTM":
        windows = variable_windows(corpus.train, model.tokenizer, seed=seed, epochs=None, **sizes)
        steps = sum(1 for _ in variable_windows(corpus.train, model.tokenizer, seed=seed, **sizes))
        callbacks.append(VariableLengthRate(kind.num_steps))
    rate = 1e-3 if rung in ("Elman", "feed-forward") else 2e-3
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0))
    best = keras.callbacks.EarlyStopping("val_loss", patience=10**9, restore_best_weights=True)
    model.fit(
        windows, validation_data=validation, steps_per_epoch=steps, epochs=10**6, shuffle=False, verbose=0,
        callbacks=[*callbacks, Cosine(rate, minutes, show), best],
    )  # fmt: skip


def count_sequences(token_ids: np.ndarray, order: int) -> int:
    """How many different sequences of up to `order` tokens there are: what a count-based model keeps a number for."""
    windows = (np.lib.stride_tricks.sliding_window_view(token_ids, length) for length in range(1, order + 1))
    return sum(len({window.tobytes() for window in each}) for each in windows)


def climb(
    rung: str, kind: Kind, tokenizer: Tokenizer, corpus: Corpus, minutes: float, seed: int, show: Show
) -> dict[str, Any]:
    """Fits one model, and judges it on the test split."""
    keras.utils.set_random_seed(seed)
    began = time.monotonic()
    if rung in ("unigram", "Kneser–Ney"):
        order = 1 if rung == "unigram" else kind.order
        model = MarkovModel(1, 1.0, tokenizer) if rung == "unigram" else KneserNeyModel(order, tokenizer)
        token_ids = np.asarray(tokenizer.tokenize(corpus.train), "int32")
        model.fit(token_ids)
        seconds, parameters = time.monotonic() - began, count_sequences(token_ids, order)
    else:
        model = build_network(rung, kind, tokenizer)
        train(model, rung, kind, corpus, minutes, seed, show)
        seconds, parameters = time.monotonic() - began, model.count_params()
    figures = {split: evaluate_text(model, getattr(corpus, split)).figures() for split in ("validation", "test")}
    keras.backend.clear_session()
    return {"rung": rung, "parameters": parameters, "seconds": seconds, **figures}


def table_of(results: dict[str, list[dict[str, Any]]], minutes: float) -> Table:
    table = Table("rung", title=f"Moby-Dick's test split, {minutes:.2g} minutes a network", box=None, pad_edge=False)
    for name in results:
        for column in (KINDS[name].title, "parameters", "seconds"):
            table.add_column(column, justify="right")
    by_rung = {name: {result["rung"]: result for result in each} for name, each in results.items()}
    for rung in RUNGS:
        row = []
        for name, each in by_rung.items():
            if rung in each:
                figure = each[rung]["test"][KINDS[name].figure]
                row += [f"{figure:,.3f}" if figure < 10 else f"{figure:,.1f}"]
                row += [f"{each[rung]['parameters']:,}", f"{each[rung]['seconds']:,.0f}"]
            else:
                row += ["–"] * 3
        if any(cell != "–" for cell in row):
            table.add_row(rung, *row)
    return table


def plot(results: dict[str, list[dict[str, Any]]], path: Path) -> None:
    figure = Figure(figsize=(5.5 * len(results), 3.8), layout="constrained")
    for axes, (name, each) in zip(figure.subplots(1, len(results), squeeze=False)[0], results.items()):
        values = [result["test"][KINDS[name].figure] for result in each]
        colours = ["tab:gray" if result["rung"] in ("unigram", "Kneser–Ney") else "tab:blue" for result in each]
        bars = axes.barh([result["rung"] for result in each], values, color=colours)
        axes.bar_label(bars, fmt="%.3g", padding=3)
        axes.invert_yaxis()
        axes.set_xlim(0, max(values) * 1.15)
        axes.set_xlabel(f"{KINDS[name].title}, test split")
    write_whole(path, lambda beside: figure.savefig(beside, dpi=150))


def shortened(corpus: Corpus) -> Corpus:
    return Corpus(corpus.train[:40_000], corpus.validation[:5_000], corpus.test[:5_000], corpus.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), help="of tokens; default: both")
    parser.add_argument("--rungs", nargs="+", choices=RUNGS, default=RUNGS, help="default: all")
    parser.add_argument("--minutes", type=float, default=10, help="to train each network (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="for windows and weights (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="small networks, little text, two seconds each")
    parser.add_argument("--out", type=Path, default=Path("runs/ladder"), help="folder of results (%(default)s)")
    arguments = parser.parse_args()
    if arguments.minutes <= 0:
        parser.error("--minutes must be positive")

    corpus, minutes, kinds = load_corpus("moby_dick"), arguments.minutes, dict(KINDS)
    if arguments.quick:
        corpus, minutes = shortened(corpus), 2 / 60
        kinds = {name: kind._replace(units=32, embedding=32, batch_size=8, num_steps=16) for name, kind in kinds.items()}
    settings = {"minutes": minutes, "seed": arguments.seed, "quick": arguments.quick}
    results, stderr = {}, Console(stderr=True)
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        for name in dict.fromkeys(arguments.kinds):
            kind, file = kinds[name], arguments.out / f"{name}.json"
            kept = read_json(file) if file.exists() else {"settings": settings, "rungs": {}}
            if kept["settings"] != settings:
                parser.error(f"{file} holds results of {kept['settings']}, not of {settings}. Give another --out.")
            tokenizer = kind.tokenizer()
            tokenizer.adapt(corpus.train)
            for rung in dict.fromkeys(arguments.rungs):
                bar = progress.add_task(f"{name}: {rung}", total=1.0)

                def show(share: float, figures: str, bar: Any = bar, title: str = f"{name}: {rung}") -> None:
                    progress.update(bar, completed=share, description=f"{title} {figures}")

                if rung not in kept["rungs"]:
                    kept["rungs"][rung] = climb(rung, kind, tokenizer, corpus, minutes, arguments.seed, show)
                    write_json(file, kept, indent=1)
                progress.remove_task(bar)
            results[name] = [kept["rungs"][rung] for rung in RUNGS if rung in kept["rungs"]]
    console = Console(highlight=False)
    console.print(table_of(results, minutes))
    plot(results, arguments.out / "ladder.png")
    console.print(f"Plot: {arguments.out / 'ladder.png'}", soft_wrap=True)


if __name__ == "__main__":
    main()
