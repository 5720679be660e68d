"""Keras on TensorFlow, or a clear error: `from kerasrnn._backend import keras, tf`."""

import os

_backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
if _backend == "tensorflow":
    # Before Keras is imported: with another backend that import itself may fail, less clearly.
    import keras as keras

    _backend = keras.backend.backend()
if _backend != "tensorflow":
    raise ImportError(
        f"kerasrnn needs Keras's TensorFlow backend; KERAS_BACKEND (or keras.json) says {_backend!r}. "
        "Set the environment variable KERAS_BACKEND=tensorflow before Python starts. "
        "(kerasrnn.export.runtime needs neither Keras nor TensorFlow.)"
    )

import tensorflow as tf  # noqa: E402,F401
