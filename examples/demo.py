"""From a novel to a language model that writes without TensorFlow: train, measure, export, verify, generate.

Run it with `make demo`, or `.venv/bin/python examples/demo.py --minutes 4 --out runs/demo`.
"""

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kerasrnn.cli._tensorflow import load_tensorflow

load_tensorflow()  # without its chatter

import keras

import kerasrnn
from kerasrnn import training

UNITS = 256
EMBEDDING = 64
BATCH_SIZE = 32
NUM_STEPS = 64
LEARNING_RATE = 7e-3
CLIP_NORM = 1.0
EPOCHS = 5  # an epoch is as much text as a fifth of the time allows
SEED = 1

PROMPT = "Call me "
NUM_TOKENS = 1000
SAMPLING = {"temperature": 0.7, "top_p": 0.95, "seed": 7}

# What a program needs that only uses the exported model: it never imports TensorFlow, nor Keras.
WRITE_WITH_THE_RUNTIME = """
import json, sys, time
from kerasrnn.export import runtime

session = runtime.load(sys.argv[1])
arguments = json.loads(sys.argv[2])
session.generate(max_new_tokens=1)  # opens the file
start = time.perf_counter()
text = session.generate(**arguments)
seconds = time.perf_counter() - start
assert not {"tensorflow", "keras"} & set(sys.modules)
print(json.dumps({"text": text, "seconds": seconds}))
"""

console = Console(highlight=False)


def main(
    minutes: Annotated[float, typer.Option(help="How long to train.")] = 4.0,
    out: Annotated[Path, typer.Option(help="Where to write the model and its exports.")] = Path("runs/demo"),
    units: Annotated[int, typer.Option(help="Width of the GRU.")] = UNITS,
) -> None:
    """Train a character GRU on Moby-Dick for some minutes, and take it out of TensorFlow."""
    out.mkdir(parents=True, exist_ok=True)
    corpus = kerasrnn.data.load_corpus("moby_dick")
    tokenizer = kerasrnn.tokenizers.CharTokenizer()
    tokenizer.adapt(corpus.train)

    keras.utils.set_random_seed(SEED)
    model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(units), tokenizer, embedding=EMBEDDING)
    console.print(f"{corpus!r}; a GRU of {units} units, {model.count_params():,} parameters, for {minutes:g} minutes")
    train(model, corpus, minutes, out)
    model.save(out / "model.keras")

    console.print("Now measuring on the whole validation text, exporting, verifying, and writing …")
    log_likelihood, num_tokens = model.score(corpus.validation)
    bigrams = kerasrnn.ngram.MarkovModel(order=2, tokenizer=tokenizer).fit(corpus.train)
    onnx = model.export(out / "onnx", format="onnx", samples=corpus.validation)
    serving = model.export(out / "serving", samples=corpus.validation)
    by_keras, keras_speed = write_with_keras(model)
    by_runtime, runtime_speed = write_with_the_runtime(onnx)

    table = Table("", "model", "beside it", title="From Moby-Dick to a model that runs anywhere")
    perplexity, bits = math.exp(-log_likelihood / num_tokens), -log_likelihood / num_tokens / math.log(2)
    bigram_bits = bigrams.bits_per_token(corpus.validation)
    table.add_row("validation perplexity", f"{perplexity:.2f}", f"{2**bigram_bits:.2f} by bigrams")
    table.add_row("validation bits per character", f"{bits:.3f}", f"{bigram_bits:.3f} by bigrams")
    for name, folder in (("ONNX", onnx), ("SavedModel", serving)):
        parity = json.loads((folder / "manifest.json").read_text())["parity"]
        for judged, limit in parity["limits"].items():
            table.add_row(f"{name} − Keras, {judged.replace('_', ' ')}", f"{parity[judged]:.1e}", f"{limit:.0e} allowed")
    for name, path in (("model.keras", out / "model.keras"), ("ONNX", onnx), ("SavedModel", serving)):
        table.add_row(f"size of {name}", f"{size(path) / 1e6:.1f} MB", "")
    same = "the same text" if by_runtime == by_keras else "another text"
    table.add_row("written by Keras", f"{keras_speed:,.0f} tokens/s", "")
    table.add_row("written without TensorFlow", f"{runtime_speed:,.0f} tokens/s", same)
    table.caption = f"{PROMPT}{by_runtime[:200]}"
    table.caption_justify = "left"
    console.print(table)


def train(model: kerasrnn.models.LanguageModel, corpus: kerasrnn.data.Corpus, minutes: float, out: Path) -> None:
    """Trains until the time is over, on as much text as this machine can read by then."""
    end = time.monotonic() + 60 * minutes
    windows = kerasrnn.data.language_model_dataset(corpus.train, model.tokenizer, BATCH_SIZE, NUM_STEPS, seed=SEED).repeat()
    validation = kerasrnn.data.language_model_dataset(corpus.validation, model.tokenizer, BATCH_SIZE, NUM_STEPS, shuffle=False)
    model.compile(jit_compile=True)
    speed = batches_per_second(model, windows)
    # Validating needs no gradients, a third of the work; the rest goes to compiling, and to a machine that slows down.
    batches = 0.8 * speed * (end - time.monotonic()) - EPOCHS * len(validation) / 3
    steps_per_epoch = max(1, int(batches / EPOCHS))
    learning_rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, EPOCHS * steps_per_epoch)
    model.compile(
        keras.optimizers.Adam(learning_rate, global_clipnorm=CLIP_NORM),
        weighted_metrics=[kerasrnn.metrics.Perplexity(), kerasrnn.metrics.BitsPerCharacter()],
        jit_compile=True,
    )
    model.fit(
        windows,
        steps_per_epoch=steps_per_epoch,
        validation_data=validation,
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
        callbacks=[
            training.TimeLimit(max(1.0, end - time.monotonic()) / 60),
            training.ProgressBar(BATCH_SIZE * NUM_STEPS, console),
            training.Curves(out),
            training.SampleText(PROMPT, max_new_tokens=150, **SAMPLING, console=console),
        ],
    )


def batches_per_second(model: keras.Model, windows: Any) -> float:
    """The machine's speed, from a few seconds of batches."""
    model.fit(windows.take(3), shuffle=False, verbose=0)  # compiles
    start = time.monotonic()
    model.fit(windows.take(60), shuffle=False, verbose=0)
    return 60 / (time.monotonic() - start)


def write_with_keras(model: kerasrnn.models.LanguageModel) -> tuple[str, float]:
    """The text that Keras writes, and its speed in tokens a second."""
    model.generate(PROMPT, 1)  # compiles
    start = time.monotonic()
    text = model.generate(PROMPT, NUM_TOKENS, **SAMPLING)
    return text, NUM_TOKENS / (time.monotonic() - start)


def write_with_the_runtime(folder: Path) -> tuple[str, float]:
    """The text that the exported model writes in a process of its own, and its speed in tokens a second."""
    arguments = json.dumps({"prompt": PROMPT, "max_new_tokens": NUM_TOKENS, **SAMPLING})
    process = subprocess.run(
        [sys.executable, "-c", WRITE_WITH_THE_RUNTIME, folder, arguments], check=True, capture_output=True, text=True
    )
    written = json.loads(process.stdout)
    return written["text"], NUM_TOKENS / written["seconds"]


def size(path: Path) -> int:
    """Bytes in a file, or in all files of a folder."""
    return path.stat().st_size if path.is_file() else sum(map(size, path.iterdir()))


if __name__ == "__main__":
    typer.run(main)
