"""What one step of a recurrent layer does to small changes of its states."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.diagnostics._batch import check_inputs, check_model, check_steps, positive
from kerasrnn.diagnostics._derivative import StepDerivative, jacobians
from kerasrnn.diagnostics._krylov import largest_singular_values, spectral_radii
from kerasrnn.diagnostics._recording import RecordedLayer, Recording

# Above, writing J down costs more than its products with a few vectors: size³ a point against size².
_EXACT = 128
_KRYLOV = 48


@dataclass(frozen=True)
class LayerJacobian:
    """The recurrent Jacobian J(t) = ∂s(t)/∂s(t−1) of one layer over time.

    Attributes:
        name: the layer's name.
        positions: the steps t, (positions,) integers in the layer's order of steps.
        singular_values: the largest singular value of J(t), the mean over rows, (positions,): the most that one step can
            stretch a change of the states, and a gradient on its way back.
        spectral_radii: the largest |eigenvalue| of J(t), likewise: what repeating the step would come to.
        exact: whether they were computed from J itself; else from its products with vectors.
    """

    name: str
    positions: np.ndarray
    singular_values: np.ndarray
    spectral_radii: np.ndarray
    exact: bool


def recurrent_jacobian(model: Any, inputs: Any, positions: int = 8, rows: int | None = 4) -> list[LayerJacobian]:
    """Measures the recurrent Jacobian of each layer: J(t) = ∂s(t)/∂s(t−1), s all states of the layer as one vector.

    Up to 128 numbers a state it is computed as a matrix; beyond, the singular value comes from Golub–Kahan–Lanczos and
    the radius from Arnoldi's iteration, 48 products each: the value to about 0.1%, the radius of a full matrix to a few
    percent, from below.

    Args:
        model: a built Keras model with recurrent layers.
        inputs: what it takes, (batch, time, …).
        positions: how many t at most, evenly spread.
        rows: how many of the batch's rows to use; None for all.

    Returns:
        A `LayerJacobian` for each recurrent layer, in the order in which they are called.

    Raises:
        TypeError, ValueError: as `gradient_flow`.

    Example:

    >>> import keras, numpy as np
    >>> rnn = keras.layers.SimpleRNN(3, activation=None, recurrent_initializer=keras.initializers.Identity(0.5))
    >>> model = keras.Sequential([keras.Input((8, 2)), rnn])
    >>> (jacobian,) = recurrent_jacobian(model, np.ones((1, 8, 2), "float32"), positions=2)
    >>> jacobian.positions.tolist(), jacobian.singular_values.tolist(), jacobian.spectral_radii.tolist()
    ([0, 7], [0.5, 0.5], [0.5, 0.5])

    References:
        Pascanu, R., Mikolov, T. and Bengio, Y. (2013). On the difficulty of training recurrent neural networks. ICML.
    """
    positive("positions", positions)
    check_model(model)
    recording = Recording(model, check_inputs(inputs, rows, model), differentiable=False)
    check_steps(recording.layers)
    return [jacobian_of(recorded, positions, rows) for recorded in recording.layers]


def jacobian_of(recorded: RecordedLayer, positions: int, rows: int | None) -> LayerJacobian:
    """The Jacobian along what was recorded."""
    times = np.unique(np.linspace(0, recorded.steps - 1, min(positions, recorded.steps)).round().astype(int))
    x = tf.concat([recorded.inputs[t][:rows] for t in times], axis=0)
    states = [tf.concat(parts, axis=0) for parts in zip(*([s[:rows] for s in recorded.states[t]] for t in times))]
    mask = tf.concat([recorded.masks[t][:rows] for t in times], axis=0) if recorded.masks else None
    exact = recorded.size <= _EXACT
    if exact:
        matrices = jacobians(recorded, x, states, mask)
        singular = np.linalg.svd(matrices, compute_uv=False)[:, 0]
        radii = np.abs(np.linalg.eigvals(matrices)).max(axis=1)
    else:
        derivative = StepDerivative(recorded, x, states, mask)
        start = np.random.default_rng(0).normal(size=(len(x), recorded.size))
        singular = largest_singular_values(derivative.times, derivative.transposed_times, start, _KRYLOV)
        radii = spectral_radii(derivative.times, start, _KRYLOV)
    singular, radii = (values.reshape(len(times), -1).mean(axis=1) for values in (singular, radii))
    return LayerJacobian(recorded.name, times, singular, radii, exact)
