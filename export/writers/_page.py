"""report.html: what became of each layer of an exported model, and how large, fast and equal it is, for people."""

import html
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from kerasrnn.export.writers._nodes import every_node

_JUDGED = ("signature", "judged", "batch", "steps")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "th,td{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid #ddd}"
    "td.number{text-align:right;font-variant-numeric:tabular-nums}.warning{background:#fff3cd;padding:.5rem 1rem}"
)


def page(
    manifest: dict[str, Any], folder: Path, keras_function: Callable[..., Any], onnx_function: Callable[..., Any],
    samples: dict[str, np.ndarray],
) -> str:  # fmt: skip
    """The page's HTML; the speed is measured as it is made.

    Args:
        manifest: of the artefact.
        folder: where its graphs are.
        keras_function, onnx_function: forward, from named arrays to named arrays.
        samples: inputs of forward.
    """
    model = manifest["model"]
    files = {name: folder / f"{name}.onnx" for name in manifest["signatures"]}
    operations = {name: Counter(n.op_type for n in every_node(onnx.load(file).graph)) for name, file in files.items()}
    sizes = {name: file.stat().st_size for name, file in files.items()}
    kind = f" in {manifest['quantize']}" if manifest["quantize"] else ""
    parts = [
        f"<h1>{_text(model['name'])}</h1>",
        f"<p>{_text(model['class_name'])} of {model['parameters']:,} parameters, exported to ONNX{kind}.</p>",
        *(f"<p class='warning'>{_text(warning)}</p>" for warning in warnings_of(manifest, operations)),
        "<h2>Recurrent layers</h2>",
        _table(("layer", "became"), manifest["layers"].items()) if manifest["layers"] else "<p>None.</p>",
        "<h2>In pieces</h2>",
        f"<p>{_text(_in_pieces(manifest))}</p>",
        "<h2>Files</h2>",
        _table(
            ("file", "bytes", "nodes", "the most frequent"),
            (
                (f"{name}.onnx", f"{sizes[name]:,}", sum(found.values()), _most(found))
                for name, found in operations.items()
            ),
        ),
        "<h2>Equal to Keras</h2>",
        _table(
            (*_JUDGED, "error", "limit", ""),
            (
                (*(c[name] for name in _JUDGED), f"{c['error']:.1e}", f"{c['limit']:.0e}", c["note"] or "ok")
                for c in manifest["parity"]["checks"]
            ),
        ),
        "<h2>Speed of forward on the machine that exported it</h2>",
        _table(
            ("batch", "steps", "Keras, ms", "ONNX Runtime, ms", "Keras ÷ ONNX Runtime"),
            _speeds(keras_function, onnx_function, samples),
        ),
    ]  # fmt: skip
    title = f"<title>{_text(model['name'])}</title><style>{_STYLE}</style>"
    return f"<!doctype html>\n<html lang='en'><meta charset='utf-8'>{title}\n" + "\n".join(parts) + "\n</html>\n"


def warnings_of(manifest: dict[str, Any], operations: dict[str, Counter[str]]) -> list[str]:
    """What will be slow, and why."""
    found = [f"{layer}: {fate}." for layer, fate in manifest["layers"].items() if "general path" in fate]
    loops = operations["forward"]["Loop"]
    if loops and not found:
        found.append(f"forward.onnx has {loops} Loop nodes, each slow: an operation repeats itself in TensorFlow's way.")
    return found


def _in_pieces(manifest: dict[str, Any]) -> str:
    if manifest["no_step"]:
        return f"It cannot run in pieces, for {manifest['no_step']}."
    return f"step.onnx runs it in pieces of any length, with the states {', '.join(s['name'] for s in manifest['states'])}."


def _most(found: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in found.most_common(6))


def _speeds(keras_function: Any, onnx_function: Any, samples: dict[str, np.ndarray]) -> list[tuple[Any, ...]]:
    rows = []
    for batch in (1, len(next(iter(samples.values())))):
        inputs = {name: value[:batch] for name, value in samples.items()}
        steps = max((value.shape[1] for value in inputs.values() if value.ndim > 1), default=1)
        theirs, ours = (_median(lambda run=run: run(inputs)) for run in (keras_function, onnx_function))
        rows.append((batch, steps, f"{1e3 * theirs:.2f}", f"{1e3 * ours:.2f}", f"{theirs / ours:.1f}"))
    return rows


def _median(run: Callable[[], Any], repeats: int = 7) -> float:
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds[1:]))


def _table(head: tuple[str, ...], rows: Any) -> str:
    def cell(value: Any) -> str:
        number = isinstance(value, int) or (isinstance(value, str) and value[:1].isdigit())
        return f"<td{' class=number' * number}>{_text(value)}</td>"

    body = "\n".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f"<table>\n<tr>{''.join(f'<th>{_text(title)}</th>' for title in head)}</tr>\n{body}\n</table>"


def _text(value: Any) -> str:
    return html.escape(str(value))
