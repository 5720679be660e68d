"""The SavedModel artefact: a version folder for TensorFlow Serving, and the manifest with its proof."""

import os
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kerasrnn.export._manifest import write_manifest
from kerasrnn.export.writers._forecast_signature import forecast_request
from kerasrnn.export.writers._folder import next_version
from kerasrnn.export.writers._precision import in_float32
from kerasrnn.export.writers._proof import prove
from kerasrnn.export.writers._samples import samples_for
from kerasrnn.export.writers._serving import server_files, warm_up_records
from kerasrnn.export.writers._signatures import description, signatures_of

_WARM_UP_ROWS = 4


def export_saved_model(
    model: keras.Model, path: Any, samples: Any = None, verbose: bool = False, keep: int | None = None,
    name: str | None = None, input_signature: Any = None,
) -> Path:  # fmt: skip
    """Writes the next version of a model for TensorFlow Serving; it appears only once it computes what the model does.

    The version folder, `path`/1 or one more than the largest there, holds a SavedModel with the signatures forward, for a
    causal model step with explicit states, for a `Forecaster` of quantiles or Gaussian outputs forecast, for a language
    model with a tokenizer generate and score, strings in and strings or figures out; `serving_default` is generate, or else
    forward. With it come requests to warm up with, and `manifest.json` with names, checksums and parity figures. Plain
    TensorFlow loads it, without Keras; a server needs tensorflow_text's operations, too, as TensorFlow Serving has them, for
    a SubwordTokenizer and for a CharTokenizer's normalization. Beside the version folders lie `models.config` and
    `batching_parameters.txt` for the server, which later exports leave as they are.

    Args:
        model: a built model.
        path: the folder of version folders.
        samples: what to verify on: text of at least 600 tokens for a language model, or arrays like the model's
            inputs (at least 3 rows); seeded random inputs by default. Where a layer is given a mask, rows with masked steps are
            added.
        verbose: whether to print the table of differences.
        keep: how many versions to keep, the newest; None keeps all.
        name: the model's name in requests; by default the name of the folder `path`.
        input_signature: what a subclassed model takes, as in `export_onnx`.

    Returns:
        The version folder.

    Raises:
        ValueError: the model is not built or has a stateful layer, `keep` is below 1, or `path` holds one of []*?\\.
        ForbiddenOpError: the graph holds an operation that a server must not run (an ArtefactError, as the next).
        ParityError: the exported model computes something else; nothing is written then.
    """
    _check_no_pattern(Path(path))
    with in_float32(model):
        version = _export(model, Path(path), samples, verbose, keep, input_signature)
    server_files(Path(path), name or Path(path).resolve().name)
    return version


def _check_no_pattern(path: Path) -> None:
    """TensorFlow takes the path of the variables for a pattern, and finds none, or others, where it holds such characters."""
    if found := sorted(set(str(path)).intersection("[]*?\\" if os.name != "nt" else "[]*?")):
        raise ValueError(
            f"path: expected a folder without {' '.join(found)}, in which TensorFlow cannot find a model's variables again; "
            f"received {str(path)!r}. Give a folder of another name"
        )


def _export(
    model: keras.Model, path: Path, samples: Any, verbose: bool, keep: int | None, input_signature: Any
) -> Path:
    signatures = signatures_of(model, input_signature, samples)
    forward_inputs = samples_for(model, signatures["forward"], samples)  # whatever is wrong with them shows before the work
    with next_version(path, keep) as version:
        functions = {name: signature.traced() for name, signature in signatures.items()}
        module = tf.Module()
        module.model_variables = [v.value for v in model.variables]
        module.functions = functions
        # A tokenizer may use more than constants: SentencePiece's is a resource of its own; so are the tables of StringLookup.
        module.resources = [*getattr(getattr(model, "tokenizer", None), "resources", list)(), *_tables(model)]
        concrete = {name: function.get_concrete_function() for name, function in functions.items()}
        # Without the gradients' graphs: a served model is not trained.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        default = "generate" if "generate" in signatures else "forward"
        tf.saved_model.save(module, version.folder, {"serving_default": concrete[default], **concrete}, options)
        served = {"serving_default": signatures[default], **signatures}
        few = {name: value[:_WARM_UP_ROWS] for name, value in forward_inputs.items()}
        if "forecast" in signatures:
            few |= forecast_request(forward_inputs, signatures["forecast"], [1, 24], [1, 100], [0, 1])
        requests = warm_up_records(version.folder, served, few)
        parity = prove("saved_model", version.folder, model, signatures, samples, verbose, requests)
        specs = {name: _specs(function, signatures[name].outputs) for name, function in concrete.items()}
        write_manifest(version.folder, {"kind": "saved_model", **description(model, signatures, specs), "parity": parity})
    return version.path


def _specs(function: Any, names: list[str]) -> list[dict[str, Any]]:
    outputs = function.structured_outputs
    return [{"name": name, "dtype": outputs[name].dtype.name, "shape": outputs[name].shape.as_list()} for name in names]


def _tables(model: keras.Model) -> list[Any]:
    resource = tf.saved_model.experimental.TrackableResource
    return [value for layer in model._flatten_layers() for value in vars(layer).values() if isinstance(value, resource)]
