"""One entry point of an exported model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True)
class Signature:
    """One entry point: `function` maps tensors, in the order of `inputs`, to a dictionary in the order of `outputs`."""

    function: Callable[..., dict[str, Any]]
    inputs: list[tf.TensorSpec]
    outputs: list[str]

    @property
    def rows(self) -> int | None:
        """The only number of rows that it takes; None for any."""
        return self.inputs[0].shape[0]

    def traced(self) -> Any:
        """As a tf.function of exactly these inputs."""
        return tf.function(self.function, self.inputs)


def of_as_many_rows(states: Sequence[Any], names: Sequence[str], like: Any, like_name: str) -> list[Any]:
    """The states, checked to have a row for each row of an input: one of a single row would broadcast to all."""
    # TensorFlow stops at the assertion and optimises the reshape away; of the assertion nothing is left in ONNX, where the
    # reshape fails.
    rows = tf.shape(like)[0]
    checks = [
        tf.debugging.assert_equal(tf.shape(state)[0], rows, f"{name}: expected one row for each row of {like_name}")
        for name, state in zip(names, states)
    ]
    with tf.control_dependencies(checks):
        return [tf.reshape(state, tf.stack([rows, state.shape[-1]])) for state in states]
