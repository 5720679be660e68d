"""kerasrnn doctor"""

import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kerasrnn import __version__
from kerasrnn.cli import _machine
from kerasrnn.cli._model_report import check_path, examined_model
from kerasrnn.cli._packages import Package, packages
from kerasrnn.cli._tensorflow import load_tensorflow

_LOADING = (ImportError, OSError, RuntimeError, TypeError, AttributeError)  # what a damaged TensorFlow ends in


def doctor(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run's folder, an exported model's, or a .keras file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Examine this machine: versions, devices, threads, XLA, speed; and with RUN the path of each recurrent layer.

    Of each layer: whether cuDNN, the fused scan, the linear scan or Keras's plain loop runs it, what keeps it from a
    faster path, what a forward and backward pass takes here beside the plain loop, and what an export to ONNX makes of it.
    The exit status is 1 where something is to be mended.

    Example:  kerasrnn doctor

    Example:  kerasrnn doctor runs/moby
    """
    if folder:
        check_path(folder)
    console = Console(highlight=False)
    report = _examined(console)
    if folder and report["backend"]:
        report["model"] = examined_model(folder, console)
    if as_json:
        print(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        _print(report, console)
    if report["problems"]:
        raise typer.Exit(1)


def _examined(console: Console) -> dict[str, Any]:
    report: dict[str, Any] = {"kerasrnn": __version__, "python": platform.python_version(), "system": platform.platform()}
    problems = []
    try:
        load_tensorflow()
        backend = "tensorflow"
    except _LOADING as error:
        backend = None
        problems.append({"what": f"TensorFlow or Keras does not load: {str(error).rstrip('.')}", "remedy": ""})
    found = packages()
    problems += [{"what": f"{one.name}: {one.problem}", "remedy": one.remedy} for one in found if one.problem]
    report |= {"backend": backend, "packages": [asdict(one) for one in found]}
    report |= {"variables": _machine.variables(), "programs": _machine.programs()}
    if backend:
        from kerasrnn._backend import keras

        with console.status("Measuring …"):
            report |= {"dtype_policy": keras.config.dtype_policy().name, "devices": _machine.devices()}
            report |= {"threads": _machine.threads(), "xla_failure": _machine.xla_failure()}
            report["matrix_product_gflops"] = round(_machine.gigaflops(), 1)
        if unseen := _machine.unseen_gpu():
            problems.append(dict(zip(("what", "remedy"), unseen, strict=True)))
    return {**report, "problems": problems}


def _print(report: dict[str, Any], console: Console) -> None:
    console.print(_package_table([Package(**package) for package in report["packages"]]))
    console.print(_machine_table(report))
    if "model" in report:
        _print_model(report["model"], console)
    for problem in report["problems"]:
        remedy = f" Mend it with:  {problem['remedy']}" if problem["remedy"] else ""
        console.print(Text(f"✗ {problem['what']}.{remedy}", "red"), soft_wrap=True)
    if not report["problems"]:
        console.print("✓ Nothing is to be mended.", style="green")


def _package_table(found: list[Package]) -> Table:
    table = Table("package", "version", "needed", "state")
    for package in found:
        state = Text(f"✗ {package.problem}", "red") if package.problem else Text("✓", "green")
        if not package.version and not package.problem:
            state = Text("not installed")
        if package.use:
            state.append(f" (optional: {package.use})", "dim")
        table.add_row(package.name, package.version or "", package.wanted, state)
    return table


def _machine_table(report: dict[str, Any]) -> Table:
    table = Table("this machine", f"kerasrnn {report['kerasrnn']}, Python {report['python']}")
    table.add_row("system", report["system"])
    if report["backend"]:
        threads = report["threads"]
        for device in report["devices"]:
            table.add_row(device["name"], device["what"])
        if not any(device["kind"] == "GPU" for device in report["devices"]):
            table.add_row("GPU", "none is visible to TensorFlow")
        usable = f"{threads['usable_cores']} of {threads['cores']} usable"
        table.add_row("cores", f"{usable}; threads within an operation: {threads['intra_op']}")
        table.add_row("backend", f"{report['backend']}, dtype policy {report['dtype_policy']}")
        failure = report["xla_failure"]
        table.add_row("XLA", Text(f"does not compile: {failure}", "yellow") if failure else "compiles (jit_compile=True)")
        table.add_row("matrix product", f"{report['matrix_product_gflops']:,.0f} GFLOP/s, float32, 1024 × 1024")
    for name, value in report["variables"].items():
        table.add_row(name, value)
    for name, place in report["programs"].items():
        table.add_row(name, place or Text("not found (optional: runs exported models)", "dim"))
    return table


def _print_model(model: dict[str, Any], console: Console) -> None:
    console.print(Text(f"{model['path']}: {model['what']}"), soft_wrap=True)
    table = Table()
    table.add_column("recurrent layer", overflow="fold")
    measured = any("path" in layer for layer in model["layers"])
    if measured:
        table.add_column("path")
        for title in ("plain loop, ms", "faster, ms", "gain"):
            table.add_column(title, justify="right")
    table.add_column("exported to ONNX")
    reasons: dict[str, list[str]] = {}
    for layer in model["layers"]:
        name = f"{layer['layer']}\n{layer['cell']}" if measured else layer["layer"]
        figures = [layer["path"], *_speed(layer["speed"])] if measured else []
        table.add_row(*map(Text, [name, *figures, layer["export"]]), end_section=measured)
        for reason in layer.get("reasons", ()):
            reasons.setdefault(reason, []).append(layer["layer"])
    if model["layers"]:
        console.print(table)
    for reason, names in reasons.items():
        console.print(Text(f"• {', '.join(names)}: {reason}"), soft_wrap=True)
    for note in model["notes"]:
        console.print(Text(f"• {note}"), soft_wrap=True)


def _speed(speed: dict[str, Any] | None) -> list[str]:
    if speed is None:
        return ["not measured", "", ""]
    plain = f"{speed['plain_seconds'] * 1000:,.2f}"
    if speed["gain"] is None:
        return [plain, "none", ""]
    figures = [f"{speed['fast_seconds'] * 1000:,.2f}", f"{speed['gain']:.2f} ×"]
    return [plain, *(figures if speed["in_use"] else [f"({figure})" for figure in figures])]
