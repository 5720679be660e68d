"""Recurrent neural networks for Keras 3 on TensorFlow, from text to a served model.

    text ─ tokenizers ─► token ids ─ data ─► windows ─ cells ─ scan ─ layers ─ models ─ fit, training ─► trained model
                                                                                                     │
                         Python, Node, browser, C++, TensorFlow Serving ◄─ runtime ◄─ artefact ◄─ export

Submodules load when they are first used, so that `import kerasrnn` imports neither TensorFlow nor Keras,
and `kerasrnn.export.runtime` never does.
"""

import importlib

__version__ = "0.1.0"

_SUBMODULES = (
    "cells", "data", "diagnostics", "export", "layers", "metrics", "models", "ngram", "samplers", "scan", "statistics",
    "testing", "tokenizers", "training",
)  # fmt: skip

__all__ = [*_SUBMODULES]


def __getattr__(name: str):
    if name in _SUBMODULES:
        return importlib.import_module(f"kerasrnn.{name}")
    raise AttributeError(f"module 'kerasrnn' has no attribute {name!r}; it has {', '.join(_SUBMODULES)}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBMODULES])
