"""What a Keras model takes and gives, by the names that programs bind by.

Keras keeps what it recorded of a subclassed model's inputs, and does not export the function that reads it.
"""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras.src.export.export_utils import get_input_signature

from kerasrnn.export.writers._rows import takes_any_number_of_rows
from kerasrnn.export.writers._signature import Signature, of_as_many_rows
from kerasrnn.export.writers._time_distributed import all_steps_at_once


def forward_signature(model: keras.Model, input_signature: Any = None) -> Signature:
    """A model's call on whole sequences.

    Inputs are named as `keras.Input`, the keys of a dictionary or the arguments of `call` name them; outputs by the keys of
    a dictionary (c_0 and c_1 of {"c": [a, b]}) or the layers that give them (lstm, lstm_1, lstm_2 where one gives states
    too), and output_0, output_1, … of a subclassed model.

    They take any number of rows; the number that `keras.Input(batch_size=…)` fixes, if the model computes no other.

    Args:
        model: a built model.
        input_signature: what it takes, where it does not say so itself, as in `keras.Model.export`: a list with a structure
            for each argument of `call`, of `keras.InputSpec`, `tf.TensorSpec`, `keras.Input` or arrays; for a model of one
            argument that is not a list, its structure.

    Raises:
        ValueError: what the model takes is not known, its type cannot be exported, or a name cannot be bound by.
    """
    arguments = _arguments(model) if input_signature is None else input_signature
    arguments = list(arguments) if isinstance(arguments, (list, tuple)) else [arguments]
    named = _with_names(model, arguments)
    specs = [_spec(name, value) for name, value in named]

    def forward(*tensors: Any) -> dict[str, Any]:
        first, *others = specs
        tensors = [tensors[0], *of_as_many_rows(tensors[1:], [spec.name for spec in others], tensors[0], first.name)]
        with all_steps_at_once(model):
            return name_outputs(model(*keras.tree.pack_sequence_as(arguments, tensors), training=False))

    def noting_names(*tensors: Any) -> dict[str, Any]:
        named = forward(*tensors)
        outputs[:] = named  # a traced function would give them in the order of the alphabet
        return named

    _check_names([spec.name for spec in specs], "input")
    name_outputs, outputs = _output_names(model), []
    fixed = [value.shape[0] for _, value in named if isinstance(value, keras.KerasTensor) and value.shape[0] is not None]
    if fixed and not takes_any_number_of_rows(model, Signature(forward, specs, [])):
        specs = [tf.TensorSpec([fixed[0], *spec.shape[1:]], spec.dtype, name=spec.name) for spec in specs]
    tf.function(noting_names, specs).get_concrete_function()
    if both := sorted({spec.name for spec in specs}.intersection(outputs)):
        raise ValueError(
            f"output {both[0]!r}: expected a name that no input has, as ONNX cannot give one name to both; rename the "
            "output's key or layer, or the input"
        )
    return Signature(forward, specs, outputs)


def _arguments(model: keras.Model) -> list[Any]:
    """What the model says that it takes."""
    if isinstance(model, keras.Sequential) and model.built:
        return [model.inputs[0]]
    if getattr(model, "inputs", None):
        return [model.input]
    embeddings = [layer.name for layer in model._flatten_layers() if isinstance(layer, keras.layers.Embedding)]
    if not model.built or embeddings:
        raise ValueError(
            f"{model.name}: expected a built model whose inputs are known; call it once on real input first, and give "
            "input_signature=… for a subclassed model with an Embedding, as it does not record that it takes integers"
        )
    return get_input_signature(model)


def _with_names(model: keras.Model, arguments: list[Any]) -> list[tuple[str, Any]]:
    named = []
    parameters = list(inspect.signature(model.call).parameters)
    for i, argument in enumerate(arguments):
        flat = keras.tree.flatten(argument)
        if isinstance(argument, dict):
            names = ["_".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(argument)]
        else:
            stem = parameters[i] if i < len(parameters) else f"input_{i}"
            stems = [stem] if len(flat) == 1 else [f"{stem}_{j}" for j in range(len(flat))]
            names = [getattr(value, "name", None) or stem for value, stem in zip(flat, stems)]
        named += zip(names, flat, strict=True)
    return named


def _spec(name: str, value: Any) -> tf.TensorSpec:
    if value.dtype is None:
        raise ValueError(
            f"input_signature: expected a type for the input {name!r}; received dtype=None. Give it, as in "
            "keras.InputSpec(dtype='float32', shape=(None, None, 4))"
        )
    dtype = tf.as_dtype(value.dtype)
    if dtype in (tf.float16, tf.bfloat16):
        raise ValueError(
            f"input {name!r}: expected float32, in which exported models compute, or integers; received {dtype.name}. Build "
            "the model with keras.Input(dtype='float32')"
        )
    shape = [None if isinstance(n, str) else n for n in value.shape]
    return tf.TensorSpec([None, *shape[1:]], dtype, name=name)


def _output_names(model: keras.Model) -> Callable[[Any], dict[str, Any]]:
    def name_outputs(results: Any) -> dict[str, Any]:
        flat = keras.tree.flatten(results)
        if isinstance(results, dict):
            names = ["_".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(results)]
        elif isinstance(model, keras.Sequential):
            names = [model.layers[-1].name]
        else:
            # A layer that gives its states too is named once for each.
            names = _numbered(getattr(model, "output_names", None) or [f"output_{i}" for i in range(len(flat))])
        _check_names(names, "output")
        return dict(zip(names, flat, strict=True))

    return name_outputs


def _numbered(names: list[str]) -> list[str]:
    """a, a, b, a as a, a_1, b, a_2."""
    seen = [names[:i].count(name) for i, name in enumerate(names)]
    return [f"{name}_{count}" if count else name for name, count in zip(names, seen)]


def _check_names(names: list[str], kind: str) -> None:
    for name in names:
        if not name.isidentifier() or not name.isascii():
            raise ValueError(
                f"{kind} {name!r}: expected a name of letters, digits and underscores, by which programs can bind; rename "
                "the keras.Input, layer or key"
            )
    if len(set(names)) < len(names):
        raise ValueError(f"{kind}s: expected each name once; received {names}. Rename the keras.Input, layer or key")
