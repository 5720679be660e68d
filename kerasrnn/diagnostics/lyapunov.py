"""How fast nearby trajectories of a network's states part, or meet."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.diagnostics._batch import check_inputs, check_model, check_steps, positive
from kerasrnn.diagnostics._derivative import StepDerivative
from kerasrnn.diagnostics._recording import RecordedLayer, Recording

# A direction that a step wipes out counts as this factor, not as 0, whose logarithm no mean survives.
_LEAST = 1e-30


@dataclass(frozen=True)
class LayerExponents:
    """The largest Lyapunov exponents of one layer.

    Attributes:
        name: the layer's name.
        exponents: (exponents,), in nats a step, the largest first, the mean over rows. exp(exponent) is the factor of a
            small change of the states in a step: > 0 grows (chaos, exploding gradients), < 0 dies out.
        steps: how many steps they are the mean of.
    """

    name: str
    exponents: np.ndarray
    steps: int


def lyapunov_exponents(
    model: Any, inputs: Any, exponents: int = 4, burn_in: int | None = None, rows: int | None = 2
) -> list[LayerExponents]:
    """Measures the largest Lyapunov exponents of each recurrent layer along a batch, by the QR method.

        Q_t R_t = J(t) Q_(t−1)            J(t) = ∂s(t)/∂s(t−1), Q_t orthonormal, (size, exponents)
        λ_i = mean over t of ln |R_t,ii|

    They are exponents of the driven system in finite time: the inputs are those of the batch, so give long sequences.
    Of a layer above another, only what it does itself counts.

    Args:
        model: a built Keras model with recurrent layers.
        inputs: what it takes, (batch, time, …).
        exponents: how many of the largest to compute; at most a layer's size of states.
        burn_in: how many steps turn Q to the leading directions before the mean begins; a quarter of them by default.
        rows: how many of the batch's rows to use; None for all.

    Returns:
        A `LayerExponents` for each recurrent layer, in the order in which they are called. All are finite: what a step
        wipes out counts as a factor of 1e-30, −69 nats.

    Raises:
        TypeError, ValueError: as `gradient_flow`.

    Example:

    >>> import keras, numpy as np
    >>> rnn = keras.layers.SimpleRNN(3, activation=None, recurrent_initializer=keras.initializers.Identity(0.5))
    >>> model = keras.Sequential([keras.Input((8, 2)), rnn])
    >>> (layer,) = lyapunov_exponents(model, np.ones((1, 8, 2), "float32"), exponents=2)
    >>> layer.exponents.round(4).tolist(), round(float(np.log(0.5)), 4)
    ([-0.6931, -0.6931], -0.6931)

    References:
        Benettin, G. et al. (1980). Lyapunov characteristic exponents for smooth dynamical systems. Meccanica 15.
        Engelken, R., Wolf, F. and Abbott, L. F. (2023). Lyapunov spectra of chaotic recurrent neural networks.
        Physical Review Research 5.
    """
    positive("exponents", exponents)
    if burn_in is not None and (isinstance(burn_in, bool) or not hasattr(burn_in, "__index__") or burn_in < 0):
        raise ValueError(f"burn_in: expected a number of steps, 0 or more, or None; received {burn_in!r}.")
    check_model(model)
    recording = Recording(model, check_inputs(inputs, rows, model), differentiable=False)
    check_steps(recording.layers)
    shortest = min(recorded.steps for recorded in recording.layers)
    if burn_in is not None and burn_in >= shortest:
        raise ValueError(f"burn_in: expected fewer than the {shortest} steps of the batch; received {burn_in}.")
    return [exponents_of(recorded, exponents, burn_in, rows) for recorded in recording.layers]


def exponents_of(recorded: RecordedLayer, exponents: int, burn_in: int | None, rows: int | None) -> LayerExponents:
    """The exponents along what was recorded."""
    count = min(exponents, recorded.size)
    points = len(recorded.inputs[0][:rows])
    burn_in = recorded.steps // 4 if burn_in is None else burn_in
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(points, recorded.size, count)))
    sums = np.zeros((points, count))
    for t, (x, states) in enumerate(zip(recorded.inputs, recorded.states)):
        each = [tf.repeat(value[:rows], count, axis=0) for value in (x, *states)]
        mask = tf.repeat(recorded.masks[t][:rows], count) if recorded.masks else None
        derivative = StepDerivative(recorded, each[0], each[1:], mask)
        directions = q.transpose(0, 2, 1).reshape(points * count, recorded.size)
        stretched = derivative.times(directions).reshape(points, count, recorded.size).transpose(0, 2, 1)
        q, r = np.linalg.qr(stretched)
        if t >= burn_in:
            sums += np.log(np.maximum(np.abs(np.diagonal(r, axis1=1, axis2=2)), _LEAST))
    means = sums.mean(axis=0) / (recorded.steps - burn_in)
    return LayerExponents(recorded.name, np.sort(means)[::-1], recorded.steps - burn_in)
