"""What was said, when several texts sound alike: a language model chooses.

"To recognize speech" and "to wreck a nice beach" sound alike, "dog bites man" is more likely than "man bites dog", and a
comma would save grandma (Dive into Deep Learning, "Language Models"). Here a network of characters, trained on a novel, and
an interpolated Kneser-Ney model of its words judge such pairs by themselves, and then together with a recogniser: its
n-best list, whose acoustic scores hardly tell the hypotheses apart, is ranked anew.

Run it with `.venv/bin/python examples/recognize_speech.py`. A novel of 1851 knows more of whales than of speech.
"""

import argparse

from kerasrnn.cli._tensorflow import load_tensorflow

load_tensorflow()  # without its chatter

import keras

import kerasrnn

# Each: what comes before, what was said, and what sounds like it or has the same words.
PAIRS = [
    ("It is hard ", ("to recognize speech", "to wreck a nice beach")),
    ("", ("Dog bites man.", "Man bites dog.")),
    ("", ("I want to eat, grandma.", "I want to eat grandma.")),
    ("I saw ", ("the white whale", "the wide wail")),
    ("We sailed upon ", ("the sea", "the see")),
    ("He lowered ", ("the boats", "the boots")),
]
# What a recogniser might have heard, with the logarithms of how well the sounds fit.
HEARD = {
    "the wide wail swam before the sheep": -41.3,
    "the white wail swam before the ship": -41.4,
    "the white whale swam before the ship": -41.6,
    "the white whale swam be four the ship": -41.5,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=256, help="of the LSTM (%(default)s)")
    parser.add_argument("--epochs", type=int, default=2, help="how often to read the novel (%(default)s)")
    parser.add_argument("--characters", type=int, default=1_000_000, help="how much of it to read (%(default)s)")
    parser.add_argument("--weight", type=float, default=0.3, help="of the language model beside the sounds (%(default)s)")
    arguments = parser.parse_args()

    keras.utils.set_random_seed(1)
    corpus = kerasrnn.data.load_corpus("moby_dick")
    text = corpus.train[: arguments.characters]
    characters = kerasrnn.tokenizers.CharTokenizer()
    characters.adapt(text)
    network = kerasrnn.models.LanguageModel(kerasrnn.cells.LSTMCell(arguments.units), characters)
    network.compile(keras.optimizers.Adam(4e-3, global_clipnorm=1.0))
    data = kerasrnn.data.language_model_dataset(text, characters, batch_size=32, num_steps=64, seed=1)
    network.fit(data, epochs=arguments.epochs, shuffle=False, verbose=0)  # the data are shuffled already

    words = kerasrnn.tokenizers.WordTokenizer(lowercase=True)
    words.adapt(text)
    counts = kerasrnn.ngram.KneserNeyModel(order=3, tokenizer=words).fit(text)

    print("the network's ln P of what follows, and what it chooses; what the trigrams choose")
    for prompt, said in PAIRS:
        ranking = network.choose(prompt, said)
        by_counts = kerasrnn.models.rescore(counts, [prompt + each for each in said], scores=[0.0, 0.0], weight=1.0)
        figures = "  ".join(f"{value:7.1f} {each!r}" for each, value in zip(said, ranking.scores))
        print(f"{prompt!r}: {figures} -> {ranking.best!r}; trigrams {said[by_counts.order[0]]!r}")

    print("\nheard best:", max(HEARD, key=HEARD.get))
    for name, model in (("network", network), ("trigrams", counts)):
        ranking = kerasrnn.models.rescore(model, list(HEARD), list(HEARD.values()), arguments.weight)
        print(f"with the {name}: {ranking.best}")


if __name__ == "__main__":
    main()
