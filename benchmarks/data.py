"""How fast each tokenizer turns text into ids in tf.data, beside Keras's and tensorflow-text's: MB/s a core, all in one run.

    python benchmarks/data.py                              # 12 MB of moby_dick, in batches of 1,000 lines
    python benchmarks/data.py --groups subwords --repeats 9 --json data.json
    python benchmarks/data.py --lines-per-batch 1          # a line at a time

A core's rate is bytes over processor time, all threads together, so that neighbours on the machine and operations that use
several threads do not flatter or slow anyone; `elapsed` is by the clock. The runs of all are interleaved, so that a drifting
machine slows all alike; a figure is the median of its runs. Each run starts its pipeline anew, which costs about as much as
tokenizing a megabyte, and more for a tokenizer of more operations: few copies measure that too. "ours ÷" is our rate of the
group over the peer's. The groups compare like with like: "words" keep their case, "lower-case words" face TextVectorization
as it is by default. TextVectorization splits at spaces alone, so that its words are fewer, but for the one whose
standardization gives it the "same words" as ours. Hugging Face's tokenizers take part where they are installed:
pip install tokenizers.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SUBWORDS = 8000


class Way(NamedTuple):
    group: str
    name: str
    make: Callable[[list[str]], Callable[[Any], Any]]  # from lines to what turns a batch of them into ragged ids
    is_ours: bool = False


def ours(class_name: str, **options: Any) -> Callable[[list[str]], Callable[[Any], Any]]:
    def make(lines: list[str]) -> Callable[[Any], Any]:
        import kerasrnn

        tokenizer = getattr(kerasrnn.tokenizers, class_name)(**options)
        if class_name != "ByteTokenizer":
            tokenizer.adapt(lines)
        return tokenizer.tokenize

    return make


def text_vectorization(**options: Any) -> Callable[[list[str]], Callable[[Any], Any]]:
    def make(lines: list[str]) -> Callable[[Any], Any]:
        import keras
        import tensorflow as tf

        layer = keras.layers.TextVectorization(ragged=True, **options)
        layer.adapt(tf.data.Dataset.from_tensor_slices(lines).batch(1000))
        return layer

    return make


def text_vectorization_of_the_same_words(lines: list[str]) -> Callable[[Any], Any]:
    """TextVectorization with spaces put round each symbol first, as ours splits."""
    import tensorflow as tf

    from kerasrnn.tokenizers.patterns import SYMBOLS

    def standardize(batch: Any) -> Any:
        return tf.strings.regex_replace(batch, f"[{SYMBOLS}]", r" \0 ")

    return text_vectorization(standardize=standardize, split="whitespace")(lines)


def word_pieces(lines: list[str]) -> Callable[[Any], Any]:
    """tensorflow-text's fastest tokenizer, with whole words as its vocabulary: it too splits at spaces and punctuation."""
    import tensorflow as tf
    import tensorflow_text

    import kerasrnn

    tokenizer = kerasrnn.tokenizers.WordTokenizer()
    tokenizer.adapt(lines)
    pieces = tensorflow_text.FastWordpieceTokenizer(
        tokenizer.get_vocabulary(), token_out_type=tf.int32, unknown_token="<unk>", no_pretokenization=False
    )
    return pieces.tokenize


def sentencepiece_model(lines: list[str]) -> bytes:
    import base64

    import kerasrnn

    tokenizer = kerasrnn.tokenizers.SubwordTokenizer(vocabulary_size=SUBWORDS)
    tokenizer.adapt(lines)
    return base64.b64decode(tokenizer.specification()["model"])


def tensorflow_text(name: str) -> Callable[[list[str]], Callable[[Any], Any]]:
    def make(lines: list[str]) -> Callable[[Any], Any]:
        import tensorflow_text

        model = sentencepiece_model(lines)
        return getattr(tensorflow_text, name)(model).tokenize

    return make


def python_tokenizer(encode_batch: Callable[[list[str]], list[Any]]) -> Callable[[Any], Any]:
    """What has no TensorFlow operation, as people put it into a pipeline: a NumPy function."""
    import numpy as np
    import tensorflow as tf

    def tokenize(batch: Any) -> tuple[Any, Any]:
        rows = encode_batch([line.decode() for line in batch])
        lengths = np.fromiter(map(len, rows), "int64", len(rows))
        return np.fromiter((id for row in rows for id in row), "int32", lengths.sum()), lengths

    def in_pipeline(batch: Any) -> Any:
        ids, lengths = tf.numpy_function(tokenize, [batch], (tf.int32, tf.int64))
        return tf.RaggedTensor.from_row_lengths(tf.ensure_shape(ids, (None,)), tf.ensure_shape(lengths, (None,)), validate=False)

    return in_pipeline


def sentencepiece_python(lines: list[str]) -> Callable[[Any], Any]:
    import sentencepiece

    return python_tokenizer(sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_model(lines)).encode)


def hugging_face(lines: list[str]) -> Callable[[Any], Any]:
    import tokenizers

    tokenizer = tokenizers.ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(lines, vocab_size=SUBWORDS)
    return python_tokenizer(lambda batch: [encoding.ids for encoding in tokenizer.encode_batch(batch)])


WAYS = [
    Way("bytes", "ByteTokenizer", ours("ByteTokenizer"), True),
    Way("characters", "CharTokenizer", ours("CharTokenizer"), True),
    Way("characters", "TextVectorization", text_vectorization(standardize=None, split="character")),
    Way("words", "WordTokenizer", ours("WordTokenizer"), True),
    Way("words", "TextVectorization", text_vectorization(standardize=None, split="whitespace")),
    Way("words", "TextVectorization, same words", text_vectorization_of_the_same_words),
    Way("words", "tensorflow_text.FastWordpieceTokenizer", word_pieces),
    Way("lower-case words", "WordTokenizer(lowercase=True)", ours("WordTokenizer", lowercase=True), True),
    Way("lower-case words", "TextVectorization, as it is by default", text_vectorization()),
    Way("subwords", "SubwordTokenizer", ours("SubwordTokenizer", vocabulary_size=SUBWORDS), True),
    Way("subwords", "tensorflow_text.SentencepieceTokenizer", tensorflow_text("SentencepieceTokenizer")),
    Way("subwords", "sentencepiece in a NumPy function", sentencepiece_python),
    Way("subwords (BPE)", "SubwordTokenizer", ours("SubwordTokenizer", vocabulary_size=SUBWORDS, model_type="bpe"), True),
    Way("subwords (BPE)", "tokenizers in a NumPy function", hugging_face),
]


def drained(dataset: Any) -> int:
    """Counts the ids inside tf.data."""
    import tensorflow as tf

    return int(dataset.reduce(tf.constant(0, tf.int64), lambda count, ids: count + tf.size(ids.values, tf.int64)))


def tokenizing_rows(
    lines: list[str],
    groups: list[str],
    lines_per_batch: int = 1000,
    copies: int = 10,
    repeats: int = 5,
    advance: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Times every way whose packages are installed.

    Returns:
        One dictionary a way: "group", "name", "MB/s a core", "elapsed MB/s", "million tokens" of one run, and "ours ÷", which
        is None where there is nothing to divide by.
    """
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices(lines).repeat(copies).batch(lines_per_batch).cache()
    megabytes = copies * sum(len(line.encode()) for line in lines) / 1e6
    batches.reduce(0, lambda count, batch: count + 1)  # fills the cache
    datasets = {}
    for way in WAYS:
        if way.group in groups:
            try:
                datasets[way] = batches.map(way.make(lines))
            except ImportError:
                continue
    tokens: dict[Way, int] = {}
    rates: dict[Way, list[tuple[float, float]]] = {way: [] for way in datasets}
    for repeat in range(repeats + 1):  # the first one warms up
        for way, dataset in datasets.items():
            start, start_of_work = time.perf_counter(), time.process_time()
            tokens[way] = drained(dataset)
            work, elapsed = time.process_time() - start_of_work, time.perf_counter() - start
            if repeat:
                rates[way].append((megabytes / work, megabytes / elapsed))
        advance()
    medians = {way: [statistics.median(values) for values in zip(*rates[way])] for way in datasets}
    best = {way.group: rate for way, (rate, _) in medians.items() if way.is_ours}
    return [
        {
            "group": way.group,
            "name": way.name,
            "MB/s a core": rate,
            "elapsed MB/s": elapsed,
            "million tokens": tokens[way] / 1e6,
            "ours ÷": None if way.is_ours else best[way.group] / rate,
        }
        for way, (rate, elapsed) in medians.items()
    ]


def main() -> None:
    groups = list(dict.fromkeys(way.group for way in WAYS))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", nargs="+", default=groups, choices=groups)
    parser.add_argument("--lines-per-batch", type=int, default=1000)
    parser.add_argument("--copies", type=int, default=10, help="how many times over the 1.2 MB of moby_dick are read")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", help="a file to write all figures to")
    arguments = parser.parse_args()

    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    import kerasrnn

    lines = kerasrnn.data.load_corpus("moby_dick").train.splitlines()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("measuring", total=arguments.repeats + 1)
        rows = tokenizing_rows(
            lines, arguments.groups, arguments.lines_per_batch, arguments.copies, arguments.repeats, lambda: progress.advance(bar)
        )
    table = Table(title=f"tokenizing batches of {arguments.lines_per_batch} lines in tf.data")
    for column in rows[0]:
        table.add_column(column, justify="left" if column in ("group", "name") else "right")
    for row in rows:
        ratio = row["ours ÷"]
        numbers = [f"{row[column]:.1f}" for column in ("MB/s a core", "elapsed MB/s", "million tokens")]
        table.add_row(row["group"], row["name"], *numbers, "" if ratio is None else f"{ratio:.2f}")
    Console(width=120).print(table)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
