"""The ONNX artefact: forward.onnx, step.onnx, and the manifest with its proof."""

from pathlib import Path
from typing import Any

import keras
import onnx
import onnxruntime

from kerasrnn.export._manifest import write_manifest
from kerasrnn.export.writers._folder import complete_or_nothing
from kerasrnn.export.writers._lowering import lower_markers, marker_handler, recurrences_as_markers
from kerasrnn.export.writers._samples import samples_for
from kerasrnn.export.writers._signatures import Signature, description, keras_functions, signatures_of
from kerasrnn.export.writers._tf2onnx import convert_function
from kerasrnn.export.writers._verification import Function, as_json, table, verify

OPSET = 18  # the last one that tf2onnx writes
_DIMENSIONS = ("batch", "time")


def export_onnx(model: keras.Model, path: Any, samples: Any = None, verbose: bool = False) -> Path:
    """Writes a model for ONNX Runtime: a folder that appears only once it computes what the model does.

    The folder holds `forward.onnx`; for a language model `step.onnx`, with explicit states, and its tokenizer's
    specification; and `manifest.json` with names, checksums and parity figures. An artefact that the folder already
    holds is replaced. `kerasrnn.export.runtime.load(path)` runs it without TensorFlow, and so does any onnxruntime.

    Args:
        model: a built model.
        path: the folder to write.
        samples: what to verify on: text of at least 600 tokens for a language model, or arrays like the model's
            inputs (at least 3 rows); seeded random inputs by default.
        verbose: whether to print the table of differences.

    Returns:
        The folder.

    Raises:
        ValueError: the model is not built, or holds an operation that has no ONNX form.
        FileExistsError: `path` holds something else than an artefact.
        ParityError: the exported model computes something else; nothing is written then.
    """
    signatures = signatures_of(model)
    samples = samples_for(model, signatures["forward"], samples)
    path = Path(path)
    with complete_or_nothing(path) as folder:
        candidate = {}
        for name, signature in signatures.items():
            file = folder / f"{name}.onnx"
            onnx.save(_convert(model, signature), file)
            candidate[name] = _onnx_function(file)
        about = description(model, signatures)
        checks = verify(keras_functions(signatures), candidate, samples, [(s["name"], s["size"]) for s in about["states"]])
        if verbose:
            print(table(checks))
        write_manifest(folder, {"kind": "onnx", **about, "parity": as_json(checks)})
    return path


def _convert(model: keras.Model, signature: Signature) -> onnx.ModelProto:
    with recurrences_as_markers(model) as markers:
        proto, _ = convert_function(
            signature.traced(),
            input_signature=signature.inputs,
            opset=OPSET,
            custom_op_handlers={"PyFuncStateless": (marker_handler, [])},
            extra_opset=[onnx.helper.make_opsetid("kerasrnn", 1)],
        )
    lower_markers(proto, markers)
    _let_reshapes_be_empty(proto.graph)
    outputs = {output.name: output for output in proto.graph.output}
    del proto.graph.output[:]
    proto.graph.output.extend(outputs[name] for name in signature.outputs)
    for value in [*proto.graph.input, *proto.graph.output]:
        for dimension, name in zip(value.type.tensor_type.shape.dim, _DIMENSIONS):
            if not dimension.HasField("dim_value"):
                dimension.dim_param = name
    proto.producer_name = "kerasrnn"
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        raise ValueError(
            f"{model.name}: holds an operation that has no ONNX form, so it cannot be exported; nothing was written. "
            f"Use another layer or activation there, or format='tf_saved_model'.\n{error}"
        ) from error
    return proto


def _let_reshapes_be_empty(graph: onnx.GraphProto) -> None:
    """A computed 0 in a shape means none, as in TensorFlow, and not ONNX's "as in the input"."""
    constants = {initializer.name for initializer in graph.initializer}
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[1] not in constants:
            node.attribute.append(onnx.helper.make_attribute("allowzero", 1))


def _onnx_function(file: Path) -> Function:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs)))

