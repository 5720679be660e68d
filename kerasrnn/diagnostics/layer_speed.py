"""How fast a recurrent layer trains here, beside Keras's plain loop around the same cell."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kerasrnn._backend import keras, tf
from kerasrnn.diagnostics.paths import drop_in, path_and_reasons

# Products of a forward and backward pass: a large layer is measured on fewer steps, so that a pass stays below a second.
_MOST_FLOPS, _FEWEST_STEPS = 8e9, 4
_FEWEST_RUNS, _MOST_RUNS = 2, 50


@dataclass(frozen=True)
class LayerSpeed:
    """What a forward and backward pass of a layer takes.

    Attributes:
        batch_size, num_steps: of the batch it was measured on.
        plain_seconds: by Keras's plain loop.
        fast_seconds: by a faster path; None where there is none.
        in_use: whether the layer takes that path, or only could: by the layer of kerasrnn in its place.
    """

    batch_size: int
    num_steps: int
    plain_seconds: float
    fast_seconds: float | None
    in_use: bool

    @property
    def gain(self) -> float | None:
        """How many times as fast as the plain loop; None without a faster path."""
        return None if self.fast_seconds is None else self.plain_seconds / self.fast_seconds


def layer_speed(layer: Any, batch_size: int = 32, num_steps: int = 32, seconds: float = 1.0) -> LayerSpeed:
    """Measures a forward and backward pass of a recurrent layer, on its path and in Keras's plain loop.

    Both run copies of the layer with its weights and dropout on the same random inputs, in turn; the best times
    count, which other programs disturb least. Without XLA. Options that Keras's layers have not (zoneout, weight_drop, …)
    are left out of the plain loop.

    Args:
        layer: a built recurrent layer; it is not changed.
        batch_size: rows.
        num_steps: steps; fewer, down to 4, for a layer of millions of weights.
        seconds: how long to measure each; compiling comes on top.

    Returns:
        A `LayerSpeed`.

    Raises:
        ValueError: the layer is not built, or an argument is not positive.

    Example:

    >>> import keras, kerasrnn
    >>> layer = kerasrnn.layers.GRU(8)
    >>> layer.build((None, None, 4))
    >>> speed = kerasrnn.diagnostics.layer_speed(layer, num_steps=8, seconds=0.01)
    >>> speed.in_use and speed.gain > 0
    True
    """
    for name, value in {"batch_size": batch_size, "num_steps": num_steps, "seconds": seconds}.items():
        if not value > 0:
            raise ValueError(f"{name}: expected a positive number; received {value!r}")
    if not layer.built:
        raise ValueError(f"layer: expected a built layer; {layer.name} is not. Call its model once on a batch")
    _, _, *features = next(iter(layer.get_build_config().values()))
    weights = layer.cell.count_params()
    affordable = int(_MOST_FLOPS / (6 * max(1, weights) * batch_size))
    num_steps = min(num_steps, max(_FEWEST_STEPS, affordable))
    shape = (batch_size, num_steps, *features)
    in_use = path_and_reasons(layer)[0] != "plain loop"
    fast = _copy(layer) if in_use else drop_in(layer)
    plain = _in_the_plain_loop(layer) if in_use else _copy(layer)
    runs = [_pass(copy, layer, shape) for copy in (plain, fast) if copy is not None]
    plain_seconds, *fast_seconds = _best(runs, seconds)
    return LayerSpeed(batch_size, num_steps, plain_seconds, fast_seconds[0] if fast_seconds else None, in_use)


def _copy(layer: Any) -> Any:
    return type(layer).from_config({**layer.get_config(), "stateful": False})


def _in_the_plain_loop(layer: Any) -> Any:
    cell = type(layer.cell).from_config(layer.cell.get_config())
    options = {name: getattr(layer, name) for name in ("return_sequences", "go_backwards", "zero_output_for_mask")}
    return keras.layers.RNN(cell, **options, dtype=layer.dtype_policy)


def _pass(copy: Any, layer: Any, shape: tuple[int, ...]) -> Callable[[], Any]:
    copy.build(shape)
    copy.cell.set_weights(layer.cell.get_weights())
    inputs = keras.random.normal(shape, dtype=layer.compute_dtype, seed=0)
    variables = [variable.value for variable in copy.trainable_variables]

    @tf.function
    def run() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = keras.tree.flatten(copy(inputs, training=True))[0]
            total = tf.reduce_sum(tf.cast(outputs, tf.float32))
        gradients = tape.gradient(total, [inputs, *variables], unconnected_gradients="zero")
        return [tf.reduce_sum(gradient) for gradient in gradients]

    # A number read back is a pass that has ended, on a GPU too.
    return lambda: [value.numpy() for value in run()]


def _best(runs: list[Callable[[], Any]], seconds: float) -> list[float]:
    for run in runs * 2:  # the first time compiles, and the second may still allocate
        run()
    taken: list[list[float]] = [[] for _ in runs]
    until = time.perf_counter() + seconds * len(runs)
    while len(taken[0]) < _FEWEST_RUNS or (time.perf_counter() < until and len(taken[0]) < _MOST_RUNS):
        for run, times in zip(runs, taken, strict=True):
            begun = time.perf_counter()
            run()
            times.append(time.perf_counter() - begun)
    return [min(times) for times in taken]
