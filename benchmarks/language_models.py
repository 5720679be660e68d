"""Trains the language models of docs/results.md, and prints their figures.

    python benchmarks/language_models.py shakespeare           # tiny_shakespeare, characters
    python benchmarks/language_models.py moby_characters
    python benchmarks/language_models.py moby_words            # beside Kneser–Ney of order 5 on the same tokens
    python benchmarks/language_models.py moby_words --adapt    # once more, adapting to the text: slow for characters
    python benchmarks/language_models.py moby_words --epochs 2 # to see that it works

Each trains as `kerasrnn train` does, into the folder `runs/TASK`, and goes on there when it was broken off. The model of the
epoch that was best on the validation split is then judged by `evaluate_text`: as it is; and if asked for, adapting itself to
the text as it reads, where every token is predicted before anything is learnt from it (dynamic evaluation for characters,
the continuous cache for words, with the settings they have by default: neither was tuned).
"""

import argparse
import csv
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

from kerasrnn.cli._tensorflow import load_tensorflow

load_tensorflow()  # without its chatter

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from kerasrnn.data import Corpus
from kerasrnn.ngram import KneserNeyModel
from kerasrnn.training import (
    ContinuousCache,
    DynamicEvaluation,
    RunFolder,
    Settings,
    evaluate_text,
    train,
)


class Task(NamedTuple):
    """A corpus, what it is learnt with, what is judged, and the figure to reach."""

    corpus: str
    settings: dict[str, Any]
    judged: tuple[str, ...]  # parts of the corpus, which follow each other
    figure: str
    target: float | None  # None: 15% below Kneser–Ney's


_WORDS = {
    "tokenizer": "word", "minimum_frequency": 3, "cell": "lstm", "units": 512, "layers": 2, "embedding": 400,
    "tie_embeddings": True, "locked_dropout": True, "dropout": 0.4, "input_dropout": 0.5, "output_dropout": 0.5,
    "embedding_dropout": 0.1, "weight_drop": 0.4, "stateful": True, "batch_size": 20, "num_steps": 35, "epochs": 35,
    "learning_rate": 2e-3, "warmup_steps": 200, "weight_decay": 0.01, "averaging": "ema",
}  # fmt: skip
TASKS = {
    "shakespeare": Task("tiny_shakespeare", {"preset": "char_lstm"}, ("validation", "test"), "nats per character", 1.48),
    "moby_characters": Task("moby_dick", {"preset": "char_lstm"}, ("test",), "bits per character", 1.95),
    "moby_words": Task("moby_dick", _WORDS, ("test",), "perplexity", None),
}


def settings_of(task: Task, **changes: Any) -> Settings:
    chosen = {**task.settings, **changes}
    return Settings.from_preset(chosen.pop("preset"), **chosen) if "preset" in chosen else Settings(**chosen)


def adaptation(task: Task, corpus: Corpus) -> dict[str, Any]:
    if task.figure == "perplexity":
        return {"cache": ContinuousCache()}
    return {"dynamic": DynamicEvaluation("rms", training_text=corpus.train)}


def measure(task: Task, model: Any, text: str, **options: Any) -> float:
    quality = evaluate_text(model, text, **options)
    if task.figure == "nats per character":
        return quality.bits_per_character * math.log(2)
    return getattr(quality, task.figure.replace(" ", "_"))


def product_rate() -> float:
    """Of a 2048³ matrix product on this machine, in 10⁹ operations a second: the median of nine."""
    a = tf.random.normal((2048, 2048))
    product, seconds = tf.function(tf.matmul), []
    for _ in range(10):
        began = time.perf_counter()
        product(a, a).numpy()
        seconds.append(time.perf_counter() - began)
    return 2 * 2048**3 / float(np.median(seconds[1:])) / 1e9


def training_minutes(run: RunFolder) -> tuple[int, float]:
    """How many epochs are complete, and how long they took, validation included."""
    with open(run.path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return len(rows), sum(float(row["seconds"]) for row in rows) / 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--epochs", type=int, help="instead of all")
    parser.add_argument("--seed", type=int, default=1, help="for windows, weights and dropout (%(default)s)")
    parser.add_argument("--out", type=Path, help="the run's folder (runs/TASK)")
    parser.add_argument("--adapt", action="store_true", help="measure the model adapting itself, too")
    arguments = parser.parse_args()
    task, console = TASKS[arguments.task], Console(highlight=False)
    changes = {} if arguments.epochs is None else {"epochs": arguments.epochs}
    settings = settings_of(task, seed=arguments.seed, **changes)
    rate = product_rate()
    result = train(task.corpus, arguments.out or Path("runs") / arguments.task, settings, prompt=None, console=console)
    if result.stopped_by:
        parser.exit(1, f"Stopped by {result.stopped_by}; the same command goes on.\n")

    corpus, model = result.run.load_corpus(), result.run.load_model()
    text = "".join(getattr(corpus, part) for part in task.judged)
    epochs, minutes = training_minutes(result.run)
    target = task.target
    rows = {}
    if target is None:
        kneser_ney = KneserNeyModel(5, model.tokenizer)
        kneser_ney.fit(np.asarray(model.tokenizer.tokenize(corpus.train), "int32"))
        rows["Kneser–Ney, order 5"] = measure(task, kneser_ney, text)
        target = 0.85 * rows["Kneser–Ney, order 5"]
    rows["to reach"] = target
    rows["as it is"] = measure(task, model, text)
    if arguments.adapt:
        rows["adapting"] = measure(task, model, text, **adaptation(task, corpus))
    table = Table("", box=None, pad_edge=False, title=f"{corpus.name}, {' + '.join(task.judged)}, seed {settings.seed}")
    table.add_column(task.figure, justify="right")
    for name, value in rows.items():
        table.add_row(name, f"{value:.4f}")
    console.print(table)
    console.print(
        f"{model.count_params():,} parameters, {epochs} epochs in {minutes:.1f} minutes; "
        f"a 2048³ product: {rate:.0f} GFLOP/s just before"
    )


if __name__ == "__main__":
    main()
