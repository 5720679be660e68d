"""kerasrnn export"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from kerasrnn.cli._folders import require_run
from kerasrnn.cli._tensorflow import load_tensorflow


class Format(StrEnum):
    ONNX = "onnx"
    SAVED_MODEL = "saved_model"
    BOTH = "both"


class Quantization(StrEnum):
    INT8 = "int8"
    FLOAT16 = "float16"


def export(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    out: Annotated[Path | None, typer.Option(help="Where to write onnx/ and serving/; RUN/export by default.")] = None,
    format: Annotated[
        Format, typer.Option(help="onnx for any ONNX Runtime, saved_model for TensorFlow Serving.")
    ] = Format.BOTH,
    quantize: Annotated[
        Quantization | None, typer.Option(help="int8: a quarter of the size, and faster; float16: half of it. ONNX only.")
    ] = None,
    max_loss: Annotated[
        float | None,
        typer.Option(help="By what share a quantised model's perplexity may grow on the validation text; 0.01 by default."),
    ] = None,
    report: Annotated[
        bool, typer.Option(help="Write report.html beside the ONNX files: layers, sizes, parity, speed beside Keras's.")
    ] = False,
    keep: Annotated[int | None, typer.Option(min=1, help="How many versions in serving/ to keep; all by default.")] = None,
) -> None:
    """Export a model, with proof that it computes what the Keras model does.

    The proof is made on the validation text of the run's corpus. A model that fails it is not written, and the exit
    status is 1.

    Example:  kerasrnn export runs/moby --out runs/moby/export

    Example:  kerasrnn export runs/moby --out runs/moby/small --format onnx --quantize int8
    """
    if quantize and format is not Format.ONNX:
        raise ValueError(f"--quantize is for ONNX alone, but --format is {format.value}. Add --format onnx.")
    require_run(folder)
    load_tensorflow()
    from kerasrnn.export import ParityError, export_onnx, export_saved_model, read_manifest
    from kerasrnn.export._report import parity_table, promise
    from kerasrnn.training import RunFolder

    console = Console(highlight=False)
    out = out or folder / "export"
    run = RunFolder(folder)
    corpus = run.load_corpus()
    model = run.load_model(full_precision=True)
    page = {"report": "html"} if report else {}
    writers = {
        Format.ONNX: (export_onnx, out / "onnx", {"quantize": quantize and quantize.value, "max_loss": max_loss, **page}),
        Format.SAVED_MODEL: (export_saved_model, out / "serving", {"keep": keep}),
    }
    targets = []
    for name in [Format.ONNX, Format.SAVED_MODEL] if format is Format.BOTH else [format]:
        writer, target, options = writers[name]
        try:
            with console.status(f"Writing and verifying {target} …"):
                # The training text where the validation text alone is too short to verify on.
                written = writer(model, target, samples=corpus.validation + corpus.train, **options)
        except ParityError as error:
            Console(stderr=True).print(Text(f"Error: {error}", "red"), soft_wrap=True)
            raise typer.Exit(1) from error
        manifest = read_manifest(written)
        console.print(f"{written} {promise(manifest)}:", parity_table(manifest["parity"]["checks"]), sep="\n")
        targets.append(written)
    console.print(Text(f"Written: {', '.join(map(str, targets))}."), soft_wrap=True)
    console.print(Text(f"Next: {_next(out, format)}", "dim"), soft_wrap=True)


def _next(out: Path, format: Format) -> str:
    if format is Format.SAVED_MODEL:
        served = (out / "serving").resolve()
        return f"kerasrnn inspect {out / 'serving'}  or  tensorflow_model_server --model_name=model --model_base_path={served}"
    return f"kerasrnn generate {out / 'onnx'}  or  kerasrnn inspect {out / 'onnx'}"
