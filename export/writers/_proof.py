"""An artefact opened, compared with its model, and what was found as the manifest has it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import onnxruntime
from rich.console import Console

from kerasrnn.export._manifest import read_manifest
from kerasrnn.export._report import parity_table
from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification
from kerasrnn.export.writers._feeding import Function
from kerasrnn.export.writers._forecast_proof import verify_forecast
from kerasrnn.export.writers._judgeable_samples import judgeable_samples
from kerasrnn.export.writers._ops import check_ops
from kerasrnn.export.writers._plain_tensorflow import plain_tensorflow
from kerasrnn.export.writers._precision import in_float32
from kerasrnn.export.writers._quality import verify_quality
from kerasrnn.export.writers._rows import rows_explained
from kerasrnn.export.writers._samples import samples_for
from kerasrnn.export.writers._signature import Signature
from kerasrnn.export.writers._signatures import description, in_python, interface, keras_functions, signatures_of
from kerasrnn.export.writers._verification import BATCHES, as_json, verify_interface
from kerasrnn.export.writers._verification import verify as verify_values

_ONNX_TYPES = {"float": "float32", "double": "float64"}


@dataclass(frozen=True)
class Candidate:
    """An artefact's signatures: what they compute, and what they take and give, as in `verify_interface`."""

    functions: dict[str, Function]
    interface: dict[str, Any]


@contextmanager
def opened_onnx(folder: Path, signatures: Iterable[str]) -> Iterator[Candidate]:
    """The ONNX files of these signatures, in onnxruntime."""
    sessions = {}
    for name in signatures:
        sessions[name] = onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])

    def function(session: Any) -> Function:
        names = [output.name for output in session.get_outputs()]
        return lambda inputs: dict(zip(names, session.run(names, inputs)))

    def axes(value: Any) -> tuple[str, list[int | None]]:
        dtype = value.type.removeprefix("tensor(").removesuffix(")")
        return _ONNX_TYPES.get(dtype, dtype), [d if isinstance(d, int) else None for d in value.shape]

    found = {
        name: {"inputs": {v.name: axes(v) for v in s.get_inputs()}, "outputs": [v.name for v in s.get_outputs()]}
        for name, s in sessions.items()
    }
    yield Candidate({name: function(session) for name, session in sessions.items()}, found)


@contextmanager
def _opened_saved_model(folder: Path, signatures: dict[str, Signature]) -> Iterator[Candidate]:
    check_ops(folder)
    with plain_tensorflow(folder) as process:

        def function(name: str) -> Function:
            return lambda inputs: {k: in_python(v) for k, v in process.call(name, inputs).items()}

        yield Candidate({name: function(name) for name in process.interface}, process.interface)


_OPENED: dict[str, Callable[..., Any]] = {"onnx": opened_onnx, "saved_model": _opened_saved_model}


def prove(
    kind: str, folder: Path, model: keras.Model, signatures: dict[str, Signature], samples: Any, verbose: bool,
    requests: Sequence[tuple[str, Any]] = (), quantize: str | None = None, max_loss: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Compares an artefact's files with its model: names, axes, operations, shapes, values; the manifest's part on parity.

    Args:
        kind: "onnx" or "saved_model".
        folder: where the files are.
        model: the model.
        signatures: those of the model that the artefact has.
        samples: as the user gave them.
        verbose: whether to print the table.
        requests: signatures and inputs that must run, too.
        quantize: how its weights are stored, if otherwise than as they are: the loss of quality is judged then.
        max_loss: the largest loss, as in `verify_quality`.

    Raises:
        ParityError: what differs.
        ValueError: the model's numbers cannot be judged on random inputs, and no samples were given.
    """
    about = description(model, signatures)
    tokenizer = None if about["tokenizer"] is None else tokenizer_from_specification(about["tokenizer"])
    states = signatures["step"].states if "step" in signatures else {}
    forward = signatures["forward"]
    text, random = isinstance(samples, str), samples is None
    samples = samples_for(model, forward, samples)
    expected, how = keras_functions(signatures), "as given"
    batches = (forward.rows,) if forward.rows else BATCHES
    with rows_explained(model):
        for batch in batches:
            expected["forward"]({name: value[:batch] for name, value in samples.items()})
    if random:
        samples, how = judgeable_samples(forward, expected["forward"], samples)
    with _OPENED[kind](folder, signatures) as candidate:
        verify_interface(interface(signatures), candidate.interface)
        for name, inputs in requests:
            candidate.functions[name](inputs)
        if quantize:
            of_tokens = about["vocabulary_size"] is not None
            checks = verify_quality(expected, candidate.functions, samples, text, states, max_loss, of_tokens)
        else:
            any_length = all(spec.shape[1] is None for spec in forward.inputs if spec.shape.rank > 1)
            checks = verify_values(expected, candidate.functions, samples, states, tokenizer, forward.masked, any_length, batches)
        if "forecast" in signatures:
            pair = expected["forecast"], candidate.functions["forecast"]
            horizon = about["forecast"]["horizon"]
            checks += verify_forecast(*pair, signatures["forecast"], samples, horizon, quantized=quantize is not None)
    parity = {**as_json(checks), "samples": how}
    if verbose:
        Console().print(parity_table(parity["checks"]))
    return parity


def verify(
    folder: Path | str, model: keras.Model, samples: Any = None, verbose: bool = False, input_signature: Any = None
) -> dict[str, Any]:
    """Proves an exported model again: its files against their checksums, and what they compute against the Keras model.

    Args:
        folder: an exported model, ONNX or SavedModel (the version folder).
        model: the model that it was made from.
        samples: what to verify on, as in `export_onnx`.
        verbose: whether to print the table of differences.
        input_signature: what a subclassed model takes, as in `export_onnx`.

    Returns:
        The figures, like `parity` in the manifest: {"one_step": …, "running_freely": …, "checks": [...], …}.

    Raises:
        ArtefactError: a file is missing or altered.
        ParityError: the artefact computes something else than the model.

    Example:

    >>> import keras, kerasrnn, tempfile
    >>> model = kerasrnn.models.LanguageModel(kerasrnn.cells.LSTMCell(3), vocabulary_size=5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = model.export(f"{folder}/onnx", format="onnx")
    ...     kerasrnn.export.verify(path, model)["one_step"] < 1e-5
    True
    """
    manifest = read_manifest(folder)
    with in_float32(model):
        signatures = signatures_of(model, input_signature, samples)
        signatures = {name: signature for name, signature in signatures.items() if name in manifest["signatures"]}
        quantized = {"quantize": manifest.get("quantize"), "max_loss": manifest.get("max_loss")}
        return prove(manifest["kind"], Path(folder), model, signatures, samples, verbose, **quantized)
