"""kerasrnn inspect"""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kerasrnn.cli._folders import find_artefact

_SHOWN = 200


def inspect(
    folder: Annotated[Path, typer.Argument(help="An exported model's folder.")],
) -> None:
    """Show what an exported model holds, and check its files against their checksums. TensorFlow is not loaded.

    Example:  kerasrnn inspect runs/moby/export/onnx
    """
    from kerasrnn.export import read_manifest
    from kerasrnn.export._report import parity_table, promise

    folder = find_artefact(folder)
    manifest = read_manifest(folder)
    console = Console(highlight=False)
    model = manifest["model"]
    written_with = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    console.print(f"{folder}: {model['class_name']}, {model['parameters']:,} parameters, as {manifest['kind']}; {written_with}")
    console.print(_signatures(manifest))
    if about := manifest.get("forecaster"):
        lags = "windows of any length" if about["lags"] is None else f"windows of {about['lags']} steps"
        console.print(
            f"It forecasts {about['horizon']} steps of {about['channels']} channels from {lags}. "
            f"Its outputs on the last axis: {', '.join(about['outputs'])}."
        )
    if layers := manifest.get("layers"):
        console.print(_layers(layers))
    if reason := manifest.get("no_step"):
        console.print(f"It cannot run in pieces, for {reason}.")
    if manifest["tokenizer"]:
        console.print(_vocabulary(manifest["tokenizer"]))
    console.print("Every file is as its checksum says:", _files(manifest), sep="\n")
    console.print(f"When it was verified, it {promise(manifest)}:", parity_table(manifest["parity"]["checks"]), sep="\n")


def _signatures(manifest: dict[str, Any]) -> Table:
    states = {state["name"] for state in manifest["states"]}
    table = Table("signature", "", "name", "type", "shape")
    for name, signature in manifest["signatures"].items():
        for spec in signature["inputs"]:
            kind = "state" if spec["name"] in states else "input"
            table.add_row(name, kind, spec["name"], spec["dtype"], _shape(spec))
        # Manifests written before have the names alone.
        specs = {spec["name"]: spec for spec in signature.get("output_specs", [])}
        for output in signature["outputs"]:
            spec = specs.get(output)
            table.add_row(name, "output", output, *((spec["dtype"], _shape(spec)) if spec else ()))
        table.add_section()
    return table


def _shape(spec: dict[str, Any]) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in spec['shape'])})"


def _layers(layers: dict[str, str]) -> Table:
    table = Table("recurrent layer", "became")
    for layer, fate in layers.items():
        table.add_row(layer, fate)
    return table


def _vocabulary(tokenizer: dict[str, Any]) -> Table:
    vocabulary = tokenizer["vocabulary"]
    table = Table("vocabulary", f"{len(vocabulary):,} tokens of {tokenizer['class_name']}")
    table.add_row("start token", repr(tokenizer["start_token"]))
    table.add_row("unknown token", repr(tokenizer["unknown_token"]))
    rest = f" … and {len(vocabulary) - _SHOWN:,} more" if len(vocabulary) > _SHOWN else ""
    table.add_row("tokens", Text(" ".join(repr(token)[1:-1] for token in vocabulary[:_SHOWN]) + rest))
    return table


def _files(manifest: dict[str, Any]) -> Table:
    table = Table("file")
    table.add_column("bytes", justify="right")
    table.add_column("SHA-256", no_wrap=True)
    for name, file in manifest["files"].items():
        table.add_row(name, f"{file['bytes']:,}", file["sha256"][:16])
    return table
