"""What counting alone achieves: n-gram models of a corpus's words and characters, the baseline of every network.

Models of growing order are fitted to the training split and judged on the validation split: Dive into Deep Learning's
Laplace smoothing (section "Language Models"), the same number added to each count, and interpolated modified Kneser–Ney.
Words are what white space separates; those that occur once in the training split count as unknown, which makes their
perplexity one of this vocabulary and no other. Bits per character of the character models compare with any network's.

Run it with `.venv/bin/python examples/ngram_baseline.py`. The text of time_machine or tiny_shakespeare comes from the
folder that the environment variable KERASRNN_DATA names, or else is downloaded; moby_dick is in the package.
"""

import argparse
import time
from collections.abc import Callable

from kerasrnn.cli._tensorflow import load_tensorflow

load_tensorflow()  # without its chatter

import numpy as np
from rich.console import Console
from rich.table import Table

from kerasrnn.data import Corpus, load_corpus
from kerasrnn.ngram import KneserNeyModel, LaplaceModel, MarkovModel, NgramModel
from kerasrnn.tokenizers import CharTokenizer, Tokenizer, WordTokenizer
from kerasrnn.tokenizers.patterns import NON_SPACES
from kerasrnn.training import evaluate_text

MODELS = {
    "Laplace, as the book's": lambda order, tokenizer: LaplaceModel(order, 1.0, tokenizer),
    "0.01 added to each count": lambda order, tokenizer: MarkovModel(order, 0.01, tokenizer),
    "modified Kneser–Ney": KneserNeyModel,
}


def compare(
    corpus: Corpus, tokenizer: Tokenizer, orders: int, figure: Callable[[NgramModel], float], table: Table
) -> NgramModel:
    """Adds a row for each order, and returns the last model."""
    tokenizer.adapt(corpus.train)
    token_ids = tokenizer.tokenize(corpus.train).numpy()
    for order in range(1, orders + 1):
        row = [str(order)]
        for make in MODELS.values():
            model = make(order, tokenizer)
            began = time.perf_counter()
            model.fit(token_ids)
            seconds = time.perf_counter() - began
            row.append(f"{figure(model):,.3f}")
        table.add_row(*row, f"{seconds:.2f} s")
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", choices=["moby_dick", "time_machine", "tiny_shakespeare"], default="moby_dick")
    parser.add_argument("--words", type=int, default=5, help="longest word sequences to count (%(default)s)")
    parser.add_argument("--characters", type=int, default=8, help="longest character sequences to count (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="for the texts that the models write (%(default)s)")
    arguments = parser.parse_args()
    if arguments.words < 1 or arguments.characters < 1:
        parser.error("--words and --characters must be at least 1")

    console = Console(highlight=False)
    corpus = load_corpus(arguments.corpus)
    words, characters = WordTokenizer(pattern=NON_SPACES, min_frequency=2), CharTokenizer()

    table = Table("order", *MODELS, "Kneser–Ney's fit", title="Words: perplexity on the validation split")
    word_model = compare(
        corpus, words, arguments.words, lambda model: evaluate_text(model, corpus.validation).perplexity, table
    )
    validation = words.tokenize(corpus.validation).numpy()
    console.print(
        f"{arguments.corpus}: {len(words.tokenize(corpus.train)):,} words to count, {len(validation):,} to judge by, "
        f"{np.mean(validation == words.unknown_token_id):.1%} of them outside the vocabulary of {words.vocabulary_size():,}"
    )
    console.print(table)

    table = Table("order", *MODELS, "Kneser–Ney's fit", title="Characters: bits per character on the validation split")
    character_model = compare(
        corpus, characters, arguments.characters, lambda m: evaluate_text(m, corpus.validation).bits_per_character, table
    )
    console.print(table)

    drawn = word_model.generate(max_new_tokens=40, seed=arguments.seed)
    likely, log_likelihood = word_model.most_likely(10)
    written = character_model.generate("\n", 200, seed=arguments.seed)
    for title, text in {
        f"{arguments.words}-grams of words write": drawn,
        f"Their most likely ten words, ln p = {log_likelihood:.2f}": likely,
        f"{arguments.characters}-grams of characters write": " ".join(written.split()),
    }.items():
        console.print(f"{title}: {text}", markup=False)


if __name__ == "__main__":
    main()
