"""What carried states are worth: truncated backpropagation through time over contiguous streams.

The same characters of a corpus are read in windows of growing length, once with states that begin anew in each window and
once with states that are carried on and only cut from the gradient (Dive into Deep Learning, "Backpropagation Through
Time"). Both are judged by `evaluate_text`, which reads all of the validation text in one go.

Run it with `.venv/bin/python examples/truncated_bptt.py`.
"""

import argparse

from kerasrnn.cli._tensorflow import load_tensorflow

load_tensorflow()  # without its chatter

import keras

import kerasrnn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", choices=["time_machine", "tiny_shakespeare", "moby_dick"], default="moby_dick")
    parser.add_argument("--characters", type=int, default=200_000, help="how much of it to train on (%(default)s)")
    parser.add_argument("--num-steps", type=int, nargs="+", default=[2, 8, 32], help="lengths of windows (%(default)s)")
    parser.add_argument("--units", type=int, default=128, help="of the GRU (%(default)s)")
    parser.add_argument("--epochs", type=int, default=2, help="how often to read the text (%(default)s)")
    arguments = parser.parse_args()

    corpus = kerasrnn.data.load_corpus(arguments.corpus)
    text = corpus.train[: arguments.characters]
    tokenizer = kerasrnn.tokenizers.CharTokenizer()
    tokenizer.adapt(text)
    print("steps  bits per character: begun anew  carried")
    for num_steps in arguments.num_steps:
        data = kerasrnn.data.language_model_dataset(
            text, tokenizer, batch_size=32, num_steps=num_steps, shuffle=False, contiguous=True
        )
        bits = []
        for stateful in (False, True):
            keras.utils.set_random_seed(1)
            model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(arguments.units), tokenizer, stateful=stateful)
            model.compile(keras.optimizers.Adam(2e-3, global_clipnorm=1.0))
            model.fit(data, epochs=arguments.epochs, shuffle=False, verbose=0)
            bits.append(kerasrnn.training.evaluate_text(model, corpus.validation[:20_000]).bits_per_character)
        print(f"{num_steps:5}  {bits[0]:30.3f}  {bits[1]:7.3f}", flush=True)


if __name__ == "__main__":
    main()
