"""A model's recurrent layers for `kerasrnn doctor`: their paths, speeds, and what an export makes of them."""

import time
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from kerasrnn.cli._folders import find_artefact, is_run

_SECONDS, _SECONDS_A_LAYER, _LATEST = 8.0, 1.0, 18.0  # for all layers; at most for one; when the last may begin


def check_path(path: Path) -> None:
    """Checks that a path holds what can be examined.

    Raises:
        FileNotFoundError: there is neither a run, nor an exported model, nor a file.
    """
    if path.is_file() or is_run(path):
        return
    try:
        find_artefact(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{str(path)!r} must be a folder that kerasrnn train wrote, an exported model's folder or a .keras file, but "
            f"{'holds none of them' if path.exists() else 'does not exist'}. Name another, or leave it out"
        ) from error


def examined_model(path: Path, console: Console) -> dict[str, Any]:
    """What a path that `check_path` has seen holds, and its recurrent layers.

    Raises:
        ValueError: the file is damaged, or the model has no recurrent layer.
    """
    if not (path.is_file() or is_run(path)):
        artefact = find_artefact(path)
        return {"path": str(artefact), **_exported(artefact)}
    with console.status(f"Loading {path} …"):
        model = _load(path)
    return {"path": str(path), **_examined(model, console)}


def _load(path: Path) -> Any:
    import kerasrnn.models  # registers what the file may hold
    from kerasrnn._backend import keras
    from kerasrnn.training import RunFolder

    if not path.is_file():
        return RunFolder(path).load_model()
    try:
        return keras.models.load_model(path, compile=False)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{str(path)!r} must be a model that keras.Model.save wrote to a .keras file, but is not, or is damaged or of "
            f"classes that are not kerasrnn's and Keras's: {reason}"
        ) from error


def _examined(model: Any, console: Console) -> dict[str, Any]:
    from kerasrnn.diagnostics import layer_paths, layer_speed
    from kerasrnn.diagnostics.paths import recurrent_layers

    found, begun = recurrent_layers(model), time.monotonic()
    fates, notes = _fates(model)
    layers, speeds = [], {}
    for path, layer in zip(layer_paths(model), found.values(), strict=True):
        shapes = tuple(tuple(weight.shape) for weight in layer.weights)
        alike = (type(layer), type(layer.cell), path.path, path.reasons, shapes)
        if alike not in speeds and layer.built and time.monotonic() - begun < _LATEST:
            try:
                with console.status(f"Measuring {path.layer} …"):
                    speeds[alike] = layer_speed(layer, seconds=min(_SECONDS_A_LAYER, _SECONDS / (2 * len(found))))
            except (ValueError, TypeError, AttributeError) as error:  # somebody's own layer may not let itself be copied
                speeds[alike] = None
                notes.append(f"{path.layer} cannot be measured: {error}")
        speed = speeds.get(alike)
        measured = {**asdict(speed), "gain": speed.gain} if speed else None
        layers.append({**asdict(path), "speed": measured, "export": fates.get(layer.name, "")})
    notes += _how_measured(layers)
    what = f"{type(model).__name__}, {model.count_params():,} parameters"
    return {"what": what, "layers": layers, "notes": notes}


def _how_measured(layers: list[dict[str, Any]]) -> list[str]:
    speeds = {layer["layer"]: layer["speed"] for layer in layers if layer["speed"]}
    sizes: dict[str, list[str]] = {}
    for name, speed in speeds.items():
        sizes.setdefault(f"{speed['batch_size']} rows × {speed['num_steps']} steps", []).append(name)
    of_each = "; ".join(f"{size} ({', '.join(names)})" if len(sizes) > 1 else size for size, names in sizes.items())
    notes = [f"Measured: a forward and backward pass without XLA of {of_each}; layers alike once."] if speeds else []
    if any(speed["gain"] and not speed["in_use"] for speed in speeds.values()):
        notes.append("In brackets: what the layer of kerasrnn in its place would bring.")
    if len(speeds) < len(layers):
        notes.append("Not measured: what is not built, or time did not allow.")
    return notes


def _fates(model: Any) -> tuple[dict[str, str], list[str]]:
    from kerasrnn.export import layer_fates

    try:
        return layer_fates(model), []
    except ValueError as error:
        return {}, [f"It cannot be exported to ONNX as it is: {error}"]


def _exported(folder: Path) -> dict[str, Any]:
    from kerasrnn.export import read_manifest

    manifest = read_manifest(folder)
    about, notes = manifest["model"], ["An exported model has no paths of Keras's; give the run for these."]
    fates = manifest.get("layers") or {}
    if not fates:
        notes = ["A SavedModel keeps the paths that the model took when it was exported; give the run for these."]
    what = f"{about['class_name']}, {about['parameters']:,} parameters, as {manifest['kind']}"
    return {"what": what, "layers": [{"layer": name, "export": fate} for name, fate in fates.items()], "notes": notes}
