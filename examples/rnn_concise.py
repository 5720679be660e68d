"""A recurrent language model in few lines: kerasrnn's tokenizer, cell and model, and Keras's `model.fit`.

Dive into Deep Learning, section 9.6, at the book's settings: characters of The Time Machine, one-hot, one layer of 32
units. `examples/rnn_from_scratch.py` is the same in bare TensorFlow. So that the two compare, the weights begin here as
they do there, as small random numbers (section 9.5), not as Keras would draw them (section 9.6 takes its framework's).
One thing differs: `generate` reads the tokenizer's start token, here a space, before the prompt.

Run it with `.venv/bin/python examples/rnn_concise.py --plot curves.png`. The text comes from the folder that the
environment variable KERASRNN_DATA names, or else is downloaded; `--corpus moby_dick` needs neither.
"""

import argparse
import re
import time

from kerasrnn.cli._tensorflow import load_tensorflow

load_tensorflow()  # without its chatter

import keras
import numpy as np

import kerasrnn

UNITS, NUM_STEPS, BATCH_SIZE, LEARNING_RATE = 32, 32, 1024, 1.0
NUM_TRAIN, NUM_VALIDATION = 10_000, 5_000


def read_windows(corpus: str) -> tuple[kerasrnn.tokenizers.CharTokenizer, np.ndarray, np.ndarray]:
    """A tokenizer, and windows of NUM_STEPS characters and the one after them: to train on, to validate on."""
    text = re.sub("[^A-Za-z]+", " ", kerasrnn.data.load_corpus(corpus).train).lower()
    tokenizer = kerasrnn.tokenizers.CharTokenizer(start_token=" ")
    tokenizer.adapt(text)
    token_ids = tokenizer.tokenize(text[: NUM_TRAIN + NUM_VALIDATION + NUM_STEPS])
    windows = np.lib.stride_tricks.sliding_window_view(token_ids, NUM_STEPS + 1)
    return tokenizer, windows[:NUM_TRAIN], windows[NUM_TRAIN:]


def build_model(tokenizer: kerasrnn.tokenizers.CharTokenizer, clip_norm: float = 1.0) -> kerasrnn.models.LanguageModel:
    """One-hot characters, a simple RNN, and a dense layer of logits."""
    model = kerasrnn.models.LanguageModel(kerasrnn.cells.SimpleRNNCell(UNITS), tokenizer, embedding="one_hot")
    for weight in model.trainable_weights:
        if "kernel" in weight.name:  # the biases are zeros
            weight.assign(keras.random.normal(weight.shape, stddev=0.01))
    model.compile(keras.optimizers.SGD(LEARNING_RATE, global_clipnorm=clip_norm or None))
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=100, help="how often to read the training windows (%(default)s)")
    parser.add_argument("--clip", type=float, default=1.0, help="the longest gradient, 0 for any length (%(default)s)")
    parser.add_argument("--corpus", choices=["time_machine", "tiny_shakespeare", "moby_dick"], default="time_machine")
    parser.add_argument("--seed", type=int, default=1, help="for the initial weights and the order of windows (%(default)s)")
    parser.add_argument("--plot", metavar="FILE", help="draw the perplexities over the epochs: curves.png")
    arguments = parser.parse_args()
    if arguments.epochs < 1:
        parser.error("--epochs must be at least 1")

    def show(epoch: int, logs: dict[str, float]) -> None:
        if (epoch + 1) % 10 == 0 or epoch + 1 == arguments.epochs:
            figures = f"{logs['perplexity']:.2f} in training, {logs['val_perplexity']:.2f} in validation"
            print(f"epoch {epoch + 1:3}: perplexity {figures}", flush=True)

    keras.utils.set_random_seed(arguments.seed)
    tokenizer, train, validation = read_windows(arguments.corpus)
    model, start = build_model(tokenizer, arguments.clip), time.monotonic()
    history = model.fit(
        train[:, :-1],
        train[:, 1:],
        validation_data=(validation[:, :-1], validation[:, 1:]),
        batch_size=BATCH_SIZE,
        epochs=arguments.epochs,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=show)],
    ).history
    if arguments.plot:
        history["epoch"] = list(range(1, arguments.epochs + 1))
        kerasrnn.training.draw_curves(history).savefig(arguments.plot)
    seconds, training, validating = time.monotonic() - start, history["perplexity"], history["val_perplexity"]
    print(f"{seconds:.0f} s; training perplexity {training[-1]:.2f}, validation perplexity {validating[-1]:.2f}")
    print("it has" + model.generate("it has", max_new_tokens=20, temperature=0))


if __name__ == "__main__":
    main()
