"""The ONNX artefact: forward.onnx, step.onnx, generate.onnx, score.onnx, and the manifest with its proof."""

import warnings
from pathlib import Path
from typing import Any

import keras
import onnx

from kerasrnn.export._manifest import write_manifest
from kerasrnn.export.writers._convert import convert
from kerasrnn.export.writers._folder import complete_or_nothing
from kerasrnn.export.writers._forecast_graph import forecast_graph
from kerasrnn.export.writers._onnx_forms import tokenizer_of
from kerasrnn.export.writers._page import page
from kerasrnn.export.writers._precision import in_float32
from kerasrnn.export.writers._proof import opened_onnx, prove
from kerasrnn.export.writers._quantisation import KINDS
from kerasrnn.export.writers._readme import readme
from kerasrnn.export.writers._samples import samples_for
from kerasrnn.export.writers._signature import Signature, name_row_checks
from kerasrnn.export.writers._signatures import description, keras_functions, signatures_of
from kerasrnn.export.writers._text_graphs import generate_graph, score_graph
from kerasrnn.export.writers._weights_file import WeightsFile

_DIMENSIONS = ("batch", "time")
_GRAPHS = {"forecast": forecast_graph, "generate": generate_graph, "score": score_graph}  # with a loop of their own


def export_onnx(
    model: keras.Model, path: Any, samples: Any = None, verbose: bool = False, input_signature: Any = None,
    quantize: str | None = None, max_loss: float | None = None, report: str | None = None,
) -> Path:  # fmt: skip
    """Writes a model for ONNX Runtime: a folder that appears only once it computes what the model does.

    The folder holds `forward.onnx`; for a causal model `step.onnx`, with explicit states (`no_step` in the manifest says
    what prevents it, if there is none); for a `Forecaster` of quantiles or Gaussian outputs `forecast.onnx`; for a language
    model with a tokenizer `generate.onnx` and `score.onnx`, strings in and strings or figures out, where the tokenizer has
    an ONNX form (a SubwordTokenizer and a CharTokenizer's normalization have none: `token_ids_only` in the manifest says
    why, and the runtime still reads and writes text); `manifest.json` with names, checksums, what became of each recurrent
    layer, and parity figures; and a README with programs for this very model. An artefact that the folder already holds is
    replaced. `kerasrnn.export.runtime.load(path)` runs it without TensorFlow, and so does any onnxruntime.

    Args:
        model: a built model.
        path: the folder to write.
        samples: what to verify on: text of at least 600 tokens for a language model, or arrays like the model's
            inputs (at least 3 rows); seeded random inputs by default. Where a layer is given a mask, rows with masked steps are
            added.
        verbose: whether to print the table of differences.
        input_signature: what a subclassed model takes, as in `keras.Model.export`: a list with a structure for each argument
            of `call`, or the structure of the only one, of `keras.InputSpec`, `keras.Input` or arrays. Dimensions of None
            are of any size; the batch always is.
        quantize: "int8" for weights of 8 bits with a scale a column, and products computed in 8 bits: a quarter of the size,
            and faster. (What the weights are multiplied with is quantised as it comes, with one scale for all rows: a row's
            numbers depend a little on the other rows of its batch.) "float16" for weights stored in 16 bits and computed
            with in 32. None for weights as they are.
        max_loss: how much quality a quantised model may lose: the share by which a language model's perplexity may grow on
            the samples (0.01 by default), or the error of an output as a share of its standard deviation (0.05).

        report: "html" for a page `report.html` in the folder, on what became of each layer, sizes, parity, and the speed
            beside Keras's on this machine.

    Returns:
        The folder.

    Raises:
        ValueError: the model is not built, has a stateful layer, or holds an operation that has no ONNX form.
        FileExistsError: `path` holds something else than an artefact.
        ParityError: the exported model computes something else, or has lost too much; nothing is written then.
    """
    with in_float32(model):
        return _export(model, Path(path), samples, verbose, input_signature, quantize, max_loss, report)


def _export(
    model: keras.Model, path: Path, samples: Any, verbose: bool, input_signature: Any, quantize: str | None,
    max_loss: float | None, report: str | None,
) -> Path:  # fmt: skip
    _check_options(quantize, max_loss, report)
    signatures = signatures_of(model, input_signature, samples)
    text = _why_not_text(model.tokenizer) if "generate" in signatures else None
    if text:
        signatures = {name: signatures[name] for name in ("forward", "step")}
    inputs = samples_for(model, signatures["forward"], samples)  # whatever is wrong with them shows before the work
    with complete_or_nothing(path) as folder:
        fates: dict[str, str] = {}
        specs: dict[str, list[dict[str, Any]]] = {}
        weights = WeightsFile(folder)
        for name, signature in signatures.items():
            graph = _graph(model, name, signature, quantize, fates)
            specs[name] = [_spec(output) for output in graph.graph.output]
            weights.save(graph, f"{name}.onnx")
        parity = prove("onnx", folder, model, signatures, samples, verbose, quantize=quantize, max_loss=max_loss)
        about = {"kind": "onnx", **description(model, signatures, specs), "token_ids_only": text, "parity": parity}
        about |= {"quantize": quantize, "max_loss": max_loss, "layers": fates}
        if report:
            reference = keras_functions({"forward": signatures["forward"]})["forward"]
            with opened_onnx(folder, ["forward"]) as candidate:
                text_of_page = page(about, folder, reference, candidate.functions["forward"], inputs)
            (folder / "report.html").write_text(text_of_page, encoding="utf-8")
        (folder / "README.md").write_text(readme(about), encoding="utf-8")
        write_manifest(folder, about)
    return path


def _spec(value: onnx.ValueInfoProto) -> dict[str, Any]:
    tensor = value.type.tensor_type
    is_string = tensor.elem_type == onnx.TensorProto.STRING
    dtype = "string" if is_string else onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    shape = [dimension.dim_value if dimension.HasField("dim_value") else None for dimension in tensor.shape.dim]
    return {"name": value.name, "dtype": dtype, "shape": shape}


def _check_options(quantize: str | None, max_loss: float | None, report: str | None) -> None:
    if report not in (None, "html"):
        raise ValueError(f"report: expected 'html' or None; received {report!r}")
    if quantize not in (None, *KINDS):
        raise ValueError(f"quantize: expected one of {', '.join(KINDS)}, or None; received {quantize!r}")
    if max_loss is not None and (isinstance(max_loss, bool) or not isinstance(max_loss, (int, float)) or not max_loss > 0):
        raise ValueError(f"max_loss: expected a positive number, as 0.01 for a hundredth, or None; received {max_loss!r}")
    if max_loss is not None and quantize is None:
        raise ValueError(f"max_loss: expected None without quantize, as nothing is lost; received {max_loss!r}")


def _why_not_text(tokenizer: Any) -> str | None:
    """Why a tokenizer has no ONNX form, if it has none."""
    try:
        tokenizer_of(tokenizer.specification())
    except ValueError as error:
        return str(error)
    return None


def _graph(
    model: keras.Model, name: str, signature: Signature, quantize: str | None = None, fates: dict[str, str] | None = None
) -> onnx.ModelProto:
    if name in _GRAPHS:
        with warnings.catch_warnings():
            # spox, of the number of axes of what comes out of a loop: the graph states it there.
            warnings.filterwarnings("ignore", message="Output type for variable .* was not concrete")
            return _GRAPHS[name](model, quantize)
    found = fates if name == "forward" else None
    proto = convert(model, signature.function, signature.inputs, quantize=quantize, fates=found)
    outputs = {output.name: output for output in proto.graph.output}
    del proto.graph.output[:]
    proto.graph.output.extend(outputs[name] for name in signature.outputs)
    several = name == "forward" and len(signature.inputs) > 1
    for value in [*proto.graph.input, *proto.graph.output]:
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if not dimension.HasField("dim_value"):
                # Inputs of several sequences may differ in length.
                stem = f"{value.name}_" if several and axis else ""
                dimension.dim_param = stem + (_DIMENSIONS[axis] if axis < len(_DIMENSIONS) else f"axis_{axis}")
    name_row_checks(proto.graph)
    proto.producer_name = "kerasrnn"
    return proto
