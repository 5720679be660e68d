"""Layers that do something else for a while."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any


@contextlib.contextmanager
def patched(layers: Iterable[Any], name: str, wrapper: Callable[[Any, Any], Any]) -> Iterator[None]:
    """While it is open, the layers' method `name` is what `wrapper` makes of layer and method.

    On the instances, past Keras's tracking: other models see nothing of it.
    """
    before = [(layer, layer.__dict__.get(name)) for layer in layers]
    for layer, _ in before:
        layer.__dict__[name] = wrapper(layer, getattr(layer, name))
    try:
        yield
    finally:
        for layer, method in before:
            del layer.__dict__[name]
            if method is not None:
                layer.__dict__[name] = method
