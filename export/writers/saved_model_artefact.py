"""The SavedModel artefact: a version folder for TensorFlow Serving, and the manifest with its proof."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kerasrnn.export._manifest import write_manifest
from kerasrnn.export.writers._folder import complete_or_nothing
from kerasrnn.export.writers._samples import samples_for
from kerasrnn.export.writers._signatures import Signature, description, keras_functions, signatures_of
from kerasrnn.export.writers._verification import Function, as_json, table, verify


def export_saved_model(model: keras.Model, path: Any, samples: Any = None, verbose: bool = False) -> Path:
    """Writes the next version of a model for TensorFlow Serving; it appears only once it computes what the model does.

    The version folder, `path`/1 or one more than the largest there, holds a SavedModel with the signatures forward
    (also `serving_default`) and, for a language model, step with explicit states; and `manifest.json` with names,
    checksums and parity figures. Plain TensorFlow loads it, without Keras.

    Args:
        model: a built model.
        path: the folder of version folders.
        samples: what to verify on: text of at least 600 tokens for a language model, or arrays like the model's
            inputs (at least 3 rows); seeded random inputs by default.
        verbose: whether to print the table of differences.

    Returns:
        The version folder.

    Raises:
        ValueError: the model is not built.
        ParityError: the exported model computes something else; nothing is written then.
    """
    signatures = signatures_of(model)
    samples = samples_for(model, signatures["forward"], samples)
    path = Path(path)
    versions = [int(p.name) for p in path.iterdir() if p.name.isdecimal()] if path.is_dir() else []
    version = path / str(max(versions, default=0) + 1)
    with complete_or_nothing(version) as folder:
        functions = {name: signature.traced() for name, signature in signatures.items()}
        module = tf.Module()
        module.model_variables = [v.value for v in model.variables]
        module.functions = functions
        concrete = {name: function.get_concrete_function() for name, function in functions.items()}
        # Without the gradients' graphs: a served model is not trained.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, folder, {"serving_default": concrete["forward"], **concrete}, options)
        about = description(model, signatures)
        with _without_warnings():
            loaded = tf.saved_model.load(folder)
        candidate = {name: _served_function(loaded, name, signatures[name]) for name in signatures}
        checks = verify(keras_functions(signatures), candidate, samples, [(s["name"], s["size"]) for s in about["states"]])
        if verbose:
            print(table(checks))
        write_manifest(folder, {"kind": "saved_model", **about, "parity": as_json(checks)})
    return version


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """TensorFlow warns on loading that gradients are missing: they were left out on purpose."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _served_function(loaded: Any, name: str, signature: Signature) -> Function:
    dtypes = {spec.name: spec.dtype for spec in signature.inputs}

    def function(inputs: dict[str, Any]) -> dict[str, Any]:
        tensors = {k: tf.constant(v, dtypes[k]) for k, v in inputs.items()}
        return {k: v.numpy() for k, v in loaded.signatures[name](**tensors).items()}

    return function
