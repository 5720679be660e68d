"""How all kernels of a model begin: a gain for their own initializers, or one initializer in place of these."""

import contextlib
import numbers
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kerasrnn._backend import keras

_OF_CELLS = ("kernel_initializer", "recurrent_initializer")


class Beginning:
    """The initializer of each kernel, made from the kernel's own.

    Args:
        gain: how many times the own initializer's values.
        instead: the initializer that takes the own one's place, or None.
    """

    def __init__(self, gain: float = 1.0, instead: Any = None) -> None:
        self._gain, self._instead, self._made = gain, instead, 0

    @classmethod
    def get(cls, initializer: Any) -> "Beginning":
        """What the argument `initializer` of a model means.

        Raises:
            ValueError: it is neither None, nor a positive number, nor an initializer or the name of one.
        """
        if initializer is None:
            return cls()
        if isinstance(initializer, numbers.Real) and not isinstance(initializer, bool) and 0 < initializer < np.inf:
            return cls(gain=float(initializer))
        try:
            found = keras.initializers.get(initializer)
        except (ValueError, TypeError):
            found = None
        if not isinstance(found, keras.initializers.Initializer):
            raise ValueError(
                "initializer: expected a positive number, the gain of all kernels, or a Keras initializer, such as "
                f"keras.initializers.RandomNormal(stddev=0.01); received {initializer!r}. Leave it out for each one's own."
            )
        return cls(instead=found)

    def __call__(self, own: Any) -> Any:
        if self._instead is None:
            return own if self._gain == 1.0 else lambda *args, **kwargs: self._gain * own(*args, **kwargs)
        # One each: an initializer gives all weights of a shape the same values.
        config, self._made = self._instead.get_config(), self._made + 1
        if isinstance(config.get("seed"), int):
            config["seed"] += self._made
        return type(self._instead).from_config(config)

    @contextlib.contextmanager
    def of_cells(self, cells: Sequence[Any]) -> Iterator[None]:
        """Within, the kernels of cells begin so; the cells keep their own initializers, and their configuration."""
        if self.get_config() is None:
            yield
            return
        parts = [part for cell in cells for part in getattr(cell, "cells", [cell])]
        own = [(part, name, getattr(part, name)) for part in parts for name in _OF_CELLS if hasattr(part, name)]
        for part in parts:
            if not hasattr(part, "kernel_initializer") or part.built:
                state = "one that is built" if part.built else "one without kernel_initializer"
                raise ValueError(
                    f"initializer: expected new cells that have a kernel_initializer; received {state}, {part}. Give the cell "
                    "its own initializers, and leave this one out."
                )
        for part, name, initializer in own:
            setattr(part, name, self(initializer))
        try:
            yield
        finally:
            for part, name, initializer in own:
                setattr(part, name, initializer)

    def get_config(self) -> Any:
        """The argument that `get` makes it from again."""
        if self._instead is None:
            return None if self._gain == 1.0 else self._gain
        return keras.initializers.serialize(self._instead)


def not_built(config: Any) -> Any:
    """The configuration of cells that deserialisation leaves without weights."""
    if isinstance(config, dict):
        return {name: not_built(value) for name, value in config.items() if name != "build_config"}
    return [not_built(value) for value in config] if isinstance(config, list) else config
