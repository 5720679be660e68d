"""The derivative of a recurrent layer's step with respect to its states, as products from either side."""

from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.diagnostics._recording import RecordedLayer


class StepDerivative:
    """J = ∂s_t/∂s_(t−1) at several points at once, one a row, without writing J down.

    Args:
        recorded: the layer.
        x: (points, features).
        states: the flat states before the step, each (points, …).
        mask: (points,) booleans, or None.

    Attributes:
        size: how many numbers the states of a point have: J is (size, size).
    """

    def __init__(self, recorded: RecordedLayer, x: Any, states: list[Any], mask: Any = None) -> None:
        self._states = [tf.convert_to_tensor(state) for state in states]
        self._sizes = [int(np.prod(state.shape[1:])) for state in self._states]
        self.size = sum(self._sizes)
        self._inner = tf.GradientTape(persistent=True, watch_accessed_variables=False)
        self._outer = tf.GradientTape(persistent=True, watch_accessed_variables=False)
        self._cotangents = [tf.zeros_like(state) for state in self._states]
        with self._outer:
            self._outer.watch(self._cotangents)
            with self._inner:
                self._inner.watch(self._states)
                _, new = recorded.step(x, self._states, mask)
                # Apart from what the step returned: a state that is passed on as it is has no gradient of its own.
                self._new = [tf.identity(state) for state in new]
            # Linear in the cotangents, so that its derivative by them is the product from the other side.
            self._product = self._pulled_back(self._cotangents)

    def times(self, v: np.ndarray) -> np.ndarray:
        """J v: (points, size) → (points, size)."""
        result = self._outer.gradient(
            self._product, self._cotangents, self._split(v), unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return self._joined(result)

    def transposed_times(self, v: np.ndarray) -> np.ndarray:
        """Jᵀ v: (points, size) → (points, size)."""
        return self._joined(self._pulled_back(self._split(v)))

    def _pulled_back(self, cotangents: list[Any]) -> list[Any]:
        zero = tf.UnconnectedGradients.ZERO
        return self._inner.gradient(self._new, self._states, cotangents, unconnected_gradients=zero)

    def _split(self, v: np.ndarray) -> list[Any]:
        parts = np.split(v, np.cumsum(self._sizes)[:-1], axis=1)
        return [tf.cast(tf.reshape(part, state.shape), state.dtype) for part, state in zip(parts, self._states)]

    def _joined(self, parts: list[Any]) -> np.ndarray:
        return np.concatenate([part.numpy().astype("float64").reshape(len(part), -1) for part in parts], axis=1)


def jacobians(recorded: RecordedLayer, x: Any, states: list[Any], mask: Any = None) -> np.ndarray:
    """J of each point, (points, size, size): row i is the gradient of the new state i."""
    size, points = recorded.size, len(x)
    repeated = [tf.repeat(tf.convert_to_tensor(value), size, axis=0) for value in (x, *states)]
    mask = None if mask is None else tf.repeat(mask, size)
    rows = StepDerivative(recorded, repeated[0], repeated[1:], mask).transposed_times(np.tile(np.eye(size), (points, 1)))
    return rows.reshape(points, size, size)
