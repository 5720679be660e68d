"""Trained Keras models as artefacts that run anywhere: ONNX, TensorFlow Serving, and a runtime without either.

The writers import TensorFlow when they are first used; `kerasrnn.export.runtime` never does.
"""

import importlib

__all__ = [
    "ArtefactError", "ParityError", "export_onnx", "export_saved_model", "layer_fates", "read_manifest", "runtime", "verify",
]  # fmt: skip

_HOMES = {
    "ArtefactError": "kerasrnn.export._manifest",
    "ParityError": "kerasrnn.export.writers._verification",
    "read_manifest": "kerasrnn.export._manifest",
    "verify": "kerasrnn.export.writers._proof",
    "layer_fates": "kerasrnn.export.writers.fates",
    "export_onnx": "kerasrnn.export.writers.onnx_artefact",
    "export_saved_model": "kerasrnn.export.writers.saved_model_artefact",
}


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name == "runtime":
        return importlib.import_module("kerasrnn.export.runtime")
    raise AttributeError(f"module 'kerasrnn.export' has no attribute {name!r}; it has {', '.join(__all__)}")
