"""A recurrent language model from scratch: variables, matrix products, and a training loop of its own.

Dive into Deep Learning, section 9.5, at the book's settings: characters of The Time Machine, one-hot, one layer of 32
units. `examples/rnn_concise.py` is the same with kerasrnn. The book's figure ends at a perplexity of 6.2 in training and
7.2 in validation. No gradient gets longer than 1 at these settings: clipping, which the section teaches, changes nothing.

    h_t = tanh(x_t W_xh + h_(t-1) W_hh + b_h)      x_t, one-hot: (batch, 28)      h_t, the state: (batch, 32)
    logits_t = h_t W_hq + b_q                      the scores of character t + 1: (batch, 28)

Run it with `.venv/bin/python examples/rnn_from_scratch.py --plot curves.png`. The text comes from the folder that the
environment variable KERASRNN_DATA names, or else is downloaded; `--corpus moby_dick` needs neither.
"""

import argparse
import math
import re
import time
from collections.abc import Callable

from kerasrnn.cli._tensorflow import load_tensorflow

load_tensorflow()  # without its chatter

import tensorflow as tf

from kerasrnn.data import load_corpus
from kerasrnn.training import draw_curves

NUM_HIDDENS, NUM_STEPS, BATCH_SIZE, LEARNING_RATE = 32, 32, 1024, 1.0
NUM_TRAIN, NUM_VALIDATION = 10_000, 5_000
VOCABULARY = ["\ufffd", *" abcdefghijklmnopqrstuvwxyz"]  # the first is the unknown character, as in the book


def read_windows(corpus: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Windows of NUM_STEPS characters and the one after them, from every character on: to train on, to validate on."""
    text = re.sub("[^A-Za-z]+", " ", load_corpus(corpus).train).lower()
    token_ids = tf.constant([VOCABULARY.index(character) for character in text[: NUM_TRAIN + NUM_VALIDATION + NUM_STEPS]])
    windows = tf.signal.frame(token_ids, NUM_STEPS + 1, frame_step=1)
    return windows[:NUM_TRAIN], windows[NUM_TRAIN:]


class LanguageModel:
    """The two equations above, their loss, and how to go down its gradient."""

    def __init__(self) -> None:
        self.W_xh = tf.Variable(tf.random.normal((len(VOCABULARY), NUM_HIDDENS), stddev=0.01))
        self.W_hh = tf.Variable(tf.random.normal((NUM_HIDDENS, NUM_HIDDENS), stddev=0.01))
        self.b_h = tf.Variable(tf.zeros(NUM_HIDDENS))
        self.W_hq = tf.Variable(tf.random.normal((NUM_HIDDENS, len(VOCABULARY)), stddev=0.01))
        self.b_q = tf.Variable(tf.zeros(len(VOCABULARY)))
        self.weights = [self.W_xh, self.W_hh, self.b_h, self.W_hq, self.b_q]

    def __call__(self, token_ids: tf.Tensor, h: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """From token_ids (batch, time) and a state, or zeros: logits (batch, time, vocabulary), and the last state."""
        h = tf.zeros((tf.shape(token_ids)[0], NUM_HIDDENS)) if h is None else h
        logits = []
        for x in tf.unstack(tf.one_hot(token_ids, len(VOCABULARY)), axis=1):
            h = tf.tanh(tf.matmul(x, self.W_xh) + tf.matmul(h, self.W_hh) + self.b_h)
            logits.append(tf.matmul(h, self.W_hq) + self.b_q)
        return tf.stack(logits, axis=1), h

    @tf.function(reduce_retracing=True)
    def loss(self, windows: tf.Tensor) -> tf.Tensor:
        """The cross-entropy of the next character, in nats: its mean over all steps of all windows."""
        logits, _ = self(windows[:, :-1])
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=windows[:, 1:], logits=logits))

    @tf.function(reduce_retracing=True)
    def train_step(self, windows: tf.Tensor, clip_norm: float) -> tf.Tensor:
        """One step down the gradient, shortened to clip_norm where it is longer; returns the loss before it."""
        with tf.GradientTape() as tape:
            loss = self.loss(windows)
        gradients = tape.gradient(loss, self.weights)
        norm = tf.sqrt(sum(tf.reduce_sum(gradient**2) for gradient in gradients))
        for weight, gradient in zip(self.weights, gradients):
            weight.assign_sub(LEARNING_RATE * gradient * tf.minimum(1.0, clip_norm / norm))
        return loss

    def decode(self, prefix: str, num_characters: int) -> str:
        """Reads the prefix to warm up the state, then takes the likeliest character and reads that, again and again."""
        token_ids = [VOCABULARY.index(character) for character in prefix]
        logits, h = self(tf.constant([token_ids]))
        for _ in range(num_characters):
            token_ids.append(int(tf.argmax(logits[0, -1])))
            logits, h = self(tf.constant([token_ids[-1:]]), h)
        return "".join(VOCABULARY[i] for i in token_ids)


def perplexity(mean_loss: Callable[[tf.Tensor], tf.Tensor], windows: tf.Tensor) -> float:
    """exp(total loss / total characters), in batches."""
    batches = [windows[start : start + BATCH_SIZE] for start in range(0, len(windows), BATCH_SIZE)]
    return math.exp(sum(float(mean_loss(batch)) * len(batch) for batch in batches) / len(windows))


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
    tf.random.set_seed(arguments.seed)
    train, validation = read_windows(arguments.corpus)
    model, clip_norm, start, rows = LanguageModel(), arguments.clip or math.inf, time.monotonic(), []
    for epoch in range(1, arguments.epochs + 1):
        training_perplexity = perplexity(lambda batch: model.train_step(batch, clip_norm), tf.random.shuffle(train))
        rows.append((epoch, training_perplexity, perplexity(model.loss, validation)))
        if epoch % 10 == 0 or epoch == arguments.epochs:
            print("epoch {:3}: perplexity {:.2f} in training, {:.2f} in validation".format(*rows[-1]), flush=True)
    epochs, training, validating = map(list, zip(*rows))
    if arguments.plot:
        draw_curves({"epoch": epochs, "perplexity": training, "val_perplexity": validating}).savefig(arguments.plot)
    seconds = time.monotonic() - start
    print(f"{seconds:.0f} s; training perplexity {training[-1]:.2f}, validation perplexity {validating[-1]:.2f}")
    print(model.decode("it has", 20))


if __name__ == "__main__":
    main()
