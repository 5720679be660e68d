"""How large the gradient of a loss still is, k steps back in time."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.diagnostics._batch import (
    check_inputs, check_model, check_steps, first_rows, has_fixed_rows, positive, step_losses,
)  # fmt: skip
from kerasrnn.diagnostics._recording import RecordedLayer, Recording
from kerasrnn.diagnostics.memory_length import half_life


@dataclass(frozen=True)
class LayerFlow:
    """The gradient through time of one recurrent layer.

    Attributes:
        name: the layer's name.
        positions: the steps t whose loss was followed back, (positions,) integers in the layer's order of steps.
        by_position: ‖∂loss(t)/∂state(t − k)‖, the mean over the batch's rows, (positions, lags + 1); NaN where t < k.
        norms: its mean over t, (lags + 1,), for k = 0 … lags.
        half_life: steps until the norm has halved, by the slope of its logarithm from lag 1 on; inf if it does not decay.
    """

    name: str
    positions: np.ndarray
    by_position: np.ndarray
    norms: np.ndarray
    half_life: float

    @property
    def lags(self) -> np.ndarray:
        """k = 0 … lags."""
        return np.arange(len(self.norms))


def gradient_flow(
    model: Any, inputs: Any, targets: Any = None, loss: Any = None, lags: int | None = None, positions: int = 8,
    rows: int | None = None,
) -> list[LayerFlow]:  # fmt: skip
    """Measures the gradient through time: ‖∂loss(t)/∂state(t − k)‖ for each lag k and recurrent layer.

        ∂loss(t)/∂s_(t−k) = (∂s_(t−k+1)/∂s_(t−k))ᵀ … (∂s_t/∂s_(t−1))ᵀ ∂loss(t)/∂s_t

    s is all of a layer's states, one flat vector a row (h and c of an LSTM); the norm is Euclidean. It is exact: the
    layers are run step by step at inference, and one backward pass is made for each t. What a layer above passes back at
    other steps is part of it, so that of a lower layer the equation is one term of several. Truncation of a layer's
    training (`truncate`) is not applied.

    Args:
        model: a built Keras model with recurrent layers: Keras's own, this library's, in wrappers, in models.
        inputs: what it takes, (batch, time, …).
        targets: what it is to give, as in `fit`. None for none.
        loss: a Keras loss, its name, or a function of (targets, outputs) that returns (batch, time); that which the model
            was compiled with, by default. Without targets, loss(t) = ½ ‖output(t)‖².
        lags: the largest k; as many as there are steps to go back, by default.
        positions: how many t at most, evenly spread over the second half of the sequence, so that all have a past. A
            model with one output a sequence has only the last.
        rows: how many of the batch's rows to use; None for all. Stateful layers take all.

    Returns:
        A `LayerFlow` for each recurrent layer, in the order in which they are called. Steps are counted as the layer
        takes them: backwards in time in the second half of a Bidirectional. Where the loss at t sees steps beyond t, or
        the layer has other steps than the output, k counts from the last step that the loss sees.

    Raises:
        TypeError: the model is not a Keras model.
        ValueError: it has no recurrent layers, is not built, or has weights that are not finite; the batch has fewer than
            2 steps or no rows; targets without a loss, or the other way round.

    Example: a linear network whose gradient is multiplied by 0.5 at each step back.

    >>> import keras, numpy as np
    >>> rnn = keras.layers.SimpleRNN(
    ...     3, activation=None, recurrent_initializer=keras.initializers.Identity(0.5), return_sequences=True
    ... )
    >>> model = keras.Sequential([keras.Input((8, 2)), rnn])
    >>> (flow,) = gradient_flow(model, np.ones((1, 8, 2), "float32"), lags=4)
    >>> (flow.norms[1:] / flow.norms[:-1]).round(4).tolist(), round(flow.half_life, 4)
    ([0.5, 0.5, 0.5, 0.5], 1.0)

    References:
        Pascanu, R., Mikolov, T. and Bengio, Y. (2013). On the difficulty of training recurrent neural networks. ICML.
    """
    positive("positions", positions)
    if lags is not None:
        positive("lags", lags)
    check_model(model)
    inputs = check_inputs(inputs, rows, model)
    targets = targets if targets is None or has_fixed_rows(model) else first_rows(targets, rows)
    recording = Recording(model, inputs)
    check_steps(recording.layers)
    return flow_of(recording, losses_of(recording, model, targets, loss), lags, positions)


def losses_of(recording: Recording, model: Any, targets: Any, loss: Any) -> list[Any]:
    """The loss of each output step, a scalar that the recording's tape knows."""
    with recording.tape:
        return tf.unstack(tf.reduce_sum(step_losses(model, recording.outputs, targets, loss), axis=0))


def flow_of(recording: Recording, sums: list[Any], lags: int | None, positions: int) -> list[LayerFlow]:
    """The flow from the losses of each output step, summed over the rows: no row's loss depends on another's states."""
    last = len(sums) - 1
    times = np.unique(np.linspace(last, (last + 1) // 2, min(positions, last + 1)).round().astype(int))
    probes = [recorded.probes for recorded in recording.layers]
    found: list[list[tuple[int, np.ndarray]]] = [[] for _ in recording.layers]
    for t in times:
        gradients = recording.tape.gradient(sums[t], probes)
        for recorded, of_layer, results in zip(recording.layers, gradients, found):
            norms = np.array([_mean_norm(of_step) for of_step in of_layer])
            results.append((_first_step_back(recorded, norms, int(t), len(sums)), norms))
    return [_layer_flow(recorded, results, lags) for recorded, results in zip(recording.layers, found)]


def _mean_norm(gradients: list[Any]) -> float:
    squares = [
        np.square(gradient.numpy().astype("float64")).reshape(len(gradient), -1).sum(1)
        for gradient in gradients
        if gradient is not None
    ]
    return float(np.sqrt(sum(squares)).mean()) if squares else 0.0


def _first_step_back(recorded: RecordedLayer, norms: np.ndarray, t: int, output_steps: int) -> int:
    """The layer's step at lag 0 of the loss at output step t."""
    reached = np.flatnonzero(norms)
    last = int(reached[-1]) if len(reached) else recorded.steps - 1
    if output_steps != recorded.steps:
        return last
    aligned = recorded.steps - 1 - t if recorded.reversed else t
    return aligned if recorded.bidirectional else max(aligned, last) if len(reached) else aligned


def _layer_flow(recorded: RecordedLayer, results: list[tuple[int, np.ndarray]], lags: int | None) -> LayerFlow:
    starts = np.array([start for start, _ in results])
    largest = min(int(starts.max()), lags or recorded.steps)
    by_position = np.full((len(results), largest + 1), np.nan)
    for row, (start, norms) in zip(by_position, results):
        back = norms[: start + 1][::-1][: largest + 1]
        row[: len(back)] = back
    order = np.argsort(starts, kind="stable")
    counts = np.maximum(np.sum(~np.isnan(by_position), axis=0), 1)
    mean = np.nansum(by_position, axis=0) / counts
    return LayerFlow(recorded.name, starts[order], by_position[order], mean, half_life(mean))
