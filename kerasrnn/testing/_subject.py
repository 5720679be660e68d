"""What is examined: copies of the user's cell or layer with weights that are all different, and numbers to feed them."""

import copy
import inspect
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.layers import RNN
from kerasrnn.testing._examination import DoesNotApply

# What makes a layer random, or its gradient unlike the slope, on purpose.
QUIET = {"dropout": 0.0, "recurrent_dropout": 0.0, "weight_drop": 0.0, "zoneout": 0.0, "truncate": None}


class Subject(ABC):
    """A cell or a layer under examination. It stays as it is: only copies made from its configuration are touched."""

    def __init__(self, original: Any, features: int, batch_size: int, num_steps: int, seed: int) -> None:
        for name, value, least in (("features", features, 1), ("batch_size", batch_size, 2), ("num_steps", num_steps, 4)):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name}: expected an integer of at least {least}; received {value!r}")
        self.original = original
        self.name = type(original).__name__
        self.features, self.batch_size, self.num_steps, self.seed = features, batch_size, num_steps, seed

    @abstractmethod
    def layer(self, dtype: str = "float64", quiet: bool = True, **options: Any) -> Any:
        """A built copy as a recurrent layer with these options of `keras.layers.RNN`; quiet: without noise, truncation."""

    @property
    @abstractmethod
    def classes(self) -> list[type]:
        """The user's classes that a saved model names."""

    @cached_property
    def fused(self) -> bool:
        """Whether `kerasrnn.layers.RNN` runs the cell in the fused scan."""
        layer = self.layer()
        return isinstance(layer, RNN) and getattr(layer.cell, "has_one_recurrent_product", False) and not layer.unroll

    @cached_property
    def training(self) -> bool:
        """Whether training=True gives the same numbers every time, so that it is what most examinations look at."""
        layer, sequences = self.layer(return_sequences=False, return_state=False), self.sequences()
        first, second = (layer(sequences, training=True) for _ in range(2))
        return bool(np.array_equal(first, second))

    def copy(self, dtype: str, quiet: bool = True, **options: Any) -> Any:
        """A copy that is not built yet, by way of the configuration."""
        try:
            config = _adapted(copy.deepcopy(self.original.get_config()), dtype, quiet)
            with reproducible(self.seed), self.custom_objects():
                return type(self.original).from_config({**config, **options})
        except Exception as error:
            raise DoesNotApply("needs a copy, which the configuration cannot make: see `configuration`") from error

    def custom_objects(self) -> Any:
        """The scope in which the user's classes load, registered or not."""
        return keras.saving.CustomObjectScope({cls.__name__: cls for cls in self.classes})

    def build(self, copied: Any, shape: tuple[int, ...]) -> Any:
        """Builds a copy from reproducible initial weights and gives it the weights that all copies share."""
        with reproducible(self.seed):
            if not copied.built:
                copied.build(shape)
        self.assign(copied)
        return copied

    def assign(self, copied: Any) -> None:
        variables = weights_of(copied)
        if not hasattr(self, "_values"):
            self._values = self._distinct_values(variables)
        if [v.shape for v in variables] != [value.shape for value in self._values]:
            raise ValueError(f"weights: two copies have different ones, {[v.path for v in variables]}")
        for variable, value in zip(variables, self._values):
            variable.assign(value)

    def _distinct_values(self, variables: list[Any]) -> list[np.ndarray]:
        """The initial weights, which know their range, and noise upon them; constraints are kept."""
        generator = np.random.default_rng([self.seed, 1])
        values = []
        for variable in variables:
            value = variable.numpy()
            if variable.trainable and value.dtype.kind == "f":
                value = value + 0.4 * generator.standard_normal(value.shape)
                constraint = variable.constraint
                value = np.asarray(value if constraint is None else constraint(tf.constant(value, variable.dtype)))
            values.append(value)
        return values

    def numbers(self, shape: tuple[int, ...], stream: int, dtype: str = "float64") -> Any:
        """Normally distributed; each stream is another draw."""
        return tf.constant(np.random.default_rng([self.seed, 2, stream]).standard_normal(shape), dtype)

    def sequences(self, dtype: str = "float64") -> Any:
        return self.numbers((self.batch_size, self.num_steps, self.features), 0, dtype)

    def states(self, layer: Any, dtype: str = "float64", batch_size: int | None = None) -> list[Any]:
        """Initial states, structured as the layer wants them."""
        streams = iter(range(1, 1000))
        rows = self.batch_size if batch_size is None else batch_size
        return keras.tree.map_structure(
            lambda size: 0.5 * self.numbers((rows, size), next(streams), dtype), list(layer.state_size)
        )

    def masks(self) -> dict[str, Any]:
        """(batch, time) booleans of every kind; each row its own."""
        rows, t = np.arange(self.batch_size)[:, None], np.arange(self.num_steps)
        right = t < 1 + (self.num_steps - 2 - rows) % (self.num_steps - 1)
        interior = (t + rows) % 3 != 1
        padding_only = interior & (rows > 0)
        kinds = {"right-padded": right, "left-padded": right[:, ::-1], "interior": interior, "padding-only": padding_only}
        return {f"{kind} mask": tf.constant(mask) for kind, mask in kinds.items()}


class CellSubject(Subject):
    """A cell, by itself or in `kerasrnn.layers.RNN`."""

    def __init__(self, cell: Any, reference: Callable[..., Any] | None, *sizes: Any) -> None:
        super().__init__(cell, *sizes)
        self.reference = reference

    @property
    def classes(self) -> list[type]:
        return [type(self.original)]

    def cell(self, dtype: str = "float64", quiet: bool = True, **changes: Any) -> Any:
        copied = self.copy(dtype, quiet, **changes)
        return self.build(copied, (self.batch_size, self.features)) if isinstance(copied, keras.layers.Layer) else copied

    def layer(self, dtype: str = "float64", quiet: bool = True, **options: Any) -> Any:
        layer = RNN(self.cell(dtype, quiet), dtype=dtype, **options)
        layer.build((self.batch_size, self.num_steps, self.features))
        return layer


class LayerSubject(Subject):
    """A recurrent layer, and perhaps another that must compute the same."""

    def __init__(
        self, layer: Any, features: int, batch_size: int, num_steps: int, seed: int, reference_layer: Any = None
    ) -> None:
        super().__init__(layer, features, batch_size, num_steps, seed)
        self.reference_layer = reference_layer
        self.name = f"{self.name}({type(layer.cell).__name__})"

    @property
    def classes(self) -> list[type]:
        return [type(self.original), type(self.original.cell)]

    def layer(self, dtype: str = "float64", quiet: bool = True, **options: Any) -> Any:
        copied = self.copy(dtype, quiet, **{"stateful": False, **options})
        return self.build(copied, (self.batch_size, self.num_steps, self.features))


def weights_of(layer: Any) -> list[Any]:
    """A layer's weights without the states that it carries from batch to batch."""
    carried = keras.tree.flatten(getattr(layer, "states", None) or [])
    return [w for w in layer.weights if all(w is not state for state in carried)]


def weight_names(layer: Any) -> list[str]:
    """Each weight's name; where several share one, the path below the layer's own."""
    names = [w.name for w in layer.weights]
    below = [w.path.partition(f"{layer.name}/")[2] or w.path for w in layer.weights]
    return [name if names.count(name) == 1 else path for name, path in zip(names, below)]


def state_names(cell: Any) -> list[str]:
    count = len(keras.tree.flatten(cell.state_size))
    names = list(getattr(cell, "state_names", ()))
    return names if len(names) == count else [str(i) for i in range(count)]


def step(cell: Any, inputs: Any, states: list[Any], training: bool = False) -> tuple[Any, list[Any]]:
    """One step of a cell as Keras calls it; the new states as a list."""
    takes_training = "training" in inspect.signature(cell.call).parameters
    output, new_states = cell(inputs, states, **({"training": training} if takes_training else {}))
    return output, keras.tree.flatten(new_states)


def _adapted(config: dict[str, Any], dtype: str, quiet: bool) -> dict[str, Any]:
    """The configuration with another dtype, and without noise, in the layers within it too."""
    for name, value in config.items():
        if name == "dtype":
            config[name] = dtype
        elif quiet and name in QUIET:
            config[name] = QUIET[name]
        elif name in ("cell", "cells"):
            for inner in value if isinstance(value, list) else [value]:
                _adapted(inner["config"], dtype, quiet)
    return config


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Initial weights that only depend on the seed: Keras draws its initializers' seeds from Python's generator.

    The generators go on afterwards as if nothing had been drawn.
    """
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
