"""One entry point of an exported model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import tensorflow as tf

_EXPECTED = ".one_row_for_each_row_of."  # in the name of an operation, which takes neither blanks nor colons


@dataclass(frozen=True)
class Signature:
    """One entry point: `function` maps tensors, in the order of `inputs`, to a dictionary in the order of `outputs`.

    Attributes:
        states: of `step`, what each state is at the beginning of a sequence, (size,) for every row, by name.
        no_step: of `forward`, why the model has no `step`.
        masked: of `forward`, inputs with masked steps by name, where the model knows masks.
    """

    function: Callable[..., dict[str, Any]]
    inputs: list[tf.TensorSpec]
    outputs: list[str]
    states: dict[str, np.ndarray] = field(default_factory=dict)
    no_step: str | None = None
    masked: dict[str, np.ndarray] | None = None

    @property
    def rows(self) -> int | None:
        """The only number of rows that it takes; None for any."""
        return self.inputs[0].shape[0]

    def traced(self) -> Any:
        """As a tf.function of exactly these inputs."""
        return tf.function(self.function, self.inputs)


def first_states(states: dict[str, np.ndarray], rows: int) -> dict[str, np.ndarray]:
    """The states at the beginning of that many sequences, each (rows, size)."""
    return {name: np.repeat(state[None], rows, axis=0) for name, state in states.items()}


def of_as_many_rows(values: Sequence[Any], names: Sequence[str], like: Any, like_name: str) -> list[Any]:
    """The values, checked to have a row for each row of an input: one of a single row would broadcast to all."""
    rows = tf.shape(like)[0]
    checked = []
    for name, value in zip(names, values, strict=True):
        as_many = tf.equal(tf.shape(value)[0], rows)
        # TensorFlow stops at the assertion. Of that nothing is left in ONNX, where an index out of range stops the graph.
        assertion = tf.debugging.Assert(as_many, [f"{name}: expected one row for each row of {like_name}; received", value])
        with tf.control_dependencies([assertion]):
            zero = tf.gather(tf.zeros(1, tf.int32), tf.where(as_many, 0, 1), name=f"{name}{_EXPECTED}{like_name}")
        checked.append(value[: rows + zero])
        checked[-1].set_shape(value.shape)
    return checked


def name_row_checks(graph: onnx.GraphProto) -> None:
    """Names the nodes that stop an ONNX graph after the input that they are about, as its errors show node names."""
    for node in graph.node:
        name, found, like_name = node.name.rpartition("/")[2].partition(_EXPECTED)
        if found and node.op_type == "Gather":
            node.name = f"{name}: expected one row for each row of {like_name}"
