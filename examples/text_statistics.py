"""A text in figures: the words and characters of a novel, and the straight lines that Zipf's law makes of them.

Dive into Deep Learning, section 9.2, "Converting Raw Text into Sequence Data", on The Time Machine, with its own figures:
how many characters, symbols, words and different words there are, which are the most frequent, and one plot of the
frequencies of unigrams, bigrams and trigrams.

Run it with `.venv/bin/python examples/text_statistics.py --plot zipf.png`. The text comes from the folder that the
environment variable KERASRNN_DATA names, or else is downloaded; `--corpus moby_dick` needs neither. For your own files:
`kerasrnn stats FILE`.
"""

import argparse

from kerasrnn.cli._tensorflow import load_tensorflow

load_tensorflow()  # without its chatter

from kerasrnn.data import load_corpus
from kerasrnn.statistics import TextStatistics, draw_frequencies


def count(corpus: str, tokens: str) -> TextStatistics:
    """Counts all of a corpus. The parts follow one another, so a word cut by a split counts once."""
    statistics, text = TextStatistics(tokens), load_corpus(corpus)
    for part in (text.train, text.validation, text.test):
        statistics.update(part)
    return statistics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", choices=["time_machine", "tiny_shakespeare", "moby_dick"], default="time_machine")
    parser.add_argument("--plot", metavar="FILE", help="draw the frequencies of unigrams, bigrams and trigrams: zipf.png")
    arguments = parser.parse_args()

    characters, words = count(arguments.corpus, "char"), count(arguments.corpus, "word")
    print(f"{characters.ngrams().num_tokens:,} characters of {characters.ngrams().num_types} symbols")
    unigrams = words.ngrams()
    print(f"{unigrams.num_tokens:,} words of {unigrams.num_types:,} types, {unigrams.num_hapaxes:,} of which occur once")
    print(f"the 100 most frequent types are {unigrams.coverage(100):.1%} of all words")
    for order, name in ((1, "words"), (2, "bigrams"), (3, "trigrams")):
        print(f"{name}: exponent of Zipf's law {words.ngrams(order).zipf_exponent():.2f}")
        print("   ", ", ".join(f"{text} {times:,}" for text, times in words.most_frequent(10, order)))
    for order in (1, 2, 3):
        lower, _, upper = characters.entropy(order)
        print(f"a character, given the {order - 1} before: {lower:.3f} to {upper:.3f} bits")
    if arguments.plot:
        draw_frequencies(words).savefig(arguments.plot, dpi=150)


if __name__ == "__main__":
    main()
