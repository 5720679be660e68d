"""The recurrent layers beside those of Keras that they must equal: what tests generate their cases from."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasrnn import cells
from kerasrnn import layers as ours

UNITS = 4


class Pair(NamedTuple):
    """The same layer twice: ours and Keras's, of the same options."""

    ours: Callable[..., Any]
    theirs: Callable[..., Any]


def _around(cell: Callable[[], Any]) -> Pair:
    return Pair(lambda **options: ours.RNN(cell(), **options), lambda **options: keras.layers.RNN(cell(), **options))


DROP_IN = ("LSTM", "GRU", "SimpleRNN")
PAIRS = {name: Pair(*(lambda kind=getattr(m, name), **o: kind(UNITS, **o) for m in (ours, keras.layers))) for name in DROP_IN}
PAIRS |= {
    name: _around(lambda cell=getattr(cells, name): cell(UNITS))
    for name in cells.__all__
    if name not in ("Cell", "LinearCell")
}
PAIRS |= {
    "LSTMCell with projection": _around(lambda: cells.LSTMCell(UNITS, projection=2)),
    "LSTMCell with peepholes": _around(lambda: cells.LSTMCell(UNITS, peepholes=True)),
    "keras.layers.GRUCell": _around(lambda: keras.layers.GRUCell(UNITS)),
    "a stack": _around(lambda: [cells.LSTMCell(UNITS), cells.GRUCell(3)]),
}

WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "": lambda layer: layer,
    "Bidirectional": keras.layers.Bidirectional,
    "Bidirectional of two": lambda layer: keras.layers.Bidirectional(layer, merge_mode=None),
}
OPTIONS: list[dict[str, bool]] = [
    dict.fromkeys(names, True)
    for names in (
        (), ("return_sequences",), ("return_state",), ("return_sequences", "return_state"), ("return_sequences", "go_backwards"),
        ("return_sequences", "zero_output_for_mask"), ("return_sequences", "unroll"), ("return_sequences", "stateful"),
    )
]  # fmt: skip


def sampled(cases: Iterator[Any], count: int, seed: int = 0) -> list[Any]:
    """Some of the cases, the same ones each time: what is quick enough for every run."""
    every = list(cases)
    chosen = np.random.default_rng(seed).choice(len(every), min(count, len(every)), replace=False)
    return [every[i] for i in sorted(chosen)]


def product(*values: Any) -> Iterator[Any]:
    return itertools.product(*values)
