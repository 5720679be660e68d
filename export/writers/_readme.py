"""README.md of an exported folder: what the model is, and programs that run this very model."""

import json
import math
from typing import Any

_FILES = {
    "forward": "whole sequences",
    "step": "the next steps; the states are {first} at first, and what came out as `next_…` from then on",
    "forecast": "draws paths from each past, and gives their quantiles",
    "generate": "writes on from each prompt",
    "score": "how likely each text is",
}
_ZEROS, _INITIAL = "zeros", "what `manifest.json` gives as their `initial` (zeros where it gives none)"
_DIMENSIONS = ("batch", "time")
_SETTINGS = {
    "max_new_tokens": 200, "temperature": 0.8, "top_k": 0, "top_p": 0.95, "min_p": 0, "repetition_penalty": 1,
    "stop": "", "seed": 7,
}  # fmt: skip
# The states at the beginning of a row, where they are more than zeros.
_FIRST_IN_PYTHON = """with open("manifest.json", encoding="utf-8") as file:
    states = json.load(file)["states"]
first = {s["name"]: np.array([s.get("initial", [0] * s["size"])], "float32") for s in states}
"""
_FIRST_IN_JAVASCRIPT = """const tensor = (values) => new ort.Tensor("float32", Float32Array.from(values), [1, values.length]);
const zeros = (size) => new Array(size).fill(0);
const first = Object.fromEntries(states.map(({ name, size, initial }) => [name, tensor(initial ?? zeros(size))]));
"""
_TYPED_ARRAYS = {"int64": "BigInt64Array", "uint64": "BigUint64Array", "bool": "Uint8Array", "float16": "Uint16Array"}


class _Code(str):
    """A value that is code already, of Python and of JavaScript alike."""


def readme(manifest: dict[str, Any]) -> str:
    """The Markdown text for an ONNX folder, from its manifest; its programs use the signatures that there are."""
    signatures = manifest["signatures"]
    main = next(name for name in ("generate", "forecast", "step", "forward") if name in signatures)
    prompt = _prompt(manifest["tokenizer"])
    values: dict[str, Any] = {"generate": {"prompt": prompt, **_SETTINGS}, "forecast": _paths_of(manifest)}.get(main, {})
    begun = any("initial" in state for state in manifest["states"])
    if begun and main == "step":
        values = {state["name"]: _Code(f"first[{json.dumps(state['name'])}]") for state in manifest["states"]}
    sections = [
        *_about(manifest),
        _table(signatures, _INITIAL if begun else _ZEROS),
        "The programs below run in this folder.",
        "## Python with kerasrnn",
        "Every file is checked first; TensorFlow is not needed.",
        _fenced("python", _kerasrnn(manifest, prompt)),
        "## Python with onnxruntime alone",
        _fenced("python", _onnxruntime(signatures, main, values)),
        "## Node",
        "After `npm install --ignore-scripts onnxruntime-node`, in a file whose name ends in `.mjs`:",
        _fenced("javascript", _node(signatures[main], main, values)),
        "## A page",
        "After `npm install --ignore-scripts onnxruntime-web`, served by `python -m http.server` or any other:",
        _fenced("html", _page(signatures[main], main, values)),
    ]
    if manifest["tokenizer"] and main != "generate":
        sections.append(
            "These files take token ids, not text:\n" + manifest["token_ids_only"] + ".\n"
            "`kerasrnn.export.runtime` reads and writes text with them; a SavedModel of the same model holds its tokenizer."
        )
    if main == "generate":
        sections.append(
            "Each input has one value a row. A `temperature` of 0 takes the likeliest token; 0 switches `top_k` and\n"
            "`min_p` off, 1 `top_p` and `repetition_penalty`, an empty string `stop`. The text\n"
            "ends before the first occurrence of its stop string (one with U+FFFD never occurs). One seed writes the same text in\n"
            "every runtime, but for a draw within rounding of a boundary.\n"
            "In JavaScript onnxruntime cuts a string at its first NUL."
        )
    if main == "forecast":
        about = manifest["forecast"]
        sections.append(
            "`steps`, `num_paths` and `seed` have one value a row; where rows ask for different numbers, NaN stands beyond a\n"
            f"row's own. The levels of `quantiles` are {', '.join(map(str, about['levels']))}. Up to the horizon, {about['horizon']},\n"
            "they are the model's own, and beyond those of the paths. One seed draws the same paths in every runtime, within\n"
            "rounding."
        )
    return "\n\n".join(sections) + "\n"


def _paths_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """As many steps as the example has covariates for, and a hundred paths."""
    about = manifest.get("forecast")
    return {"steps": about["horizon"] + 10, "num_paths": 100, "seed": 7} if about else {}


def _about(manifest: dict[str, Any]) -> list[str]:
    model, tokenizer = manifest["model"], manifest["tokenizer"]
    text = f"`{model['class_name']}` of {model['parameters']:,} parameters"
    if manifest["vocabulary_size"]:
        text += f" over {manifest['vocabulary_size']:,} tokens"
    if tokenizer:
        start = json.dumps(tokenizer["start_token"])
        text += f" of a `{tokenizer['class_name']}`; text begins after the start token {start}"
        if tokenizer.get("end_token") is not None:
            text += f", and ends before the end token {json.dumps(tokenizer['end_token'])}"
    versions = " and ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    proof = "`manifest.json` has checksums, and how closely the files agree with Keras."
    return [f"# {model['name']}", f"{text}.", f"Exported by kerasrnn from {versions}.\n{proof}"]


def _table(signatures: dict[str, Any], first: str) -> str:
    rows = ["| file | for | inputs | outputs |", "| --- | --- | --- | --- |"]
    for name, signature in signatures.items():
        inputs = ", ".join(f"`{spec['name']}` {spec['dtype']} ({_axes(spec['shape'])})" for spec in signature["inputs"])
        outputs = ", ".join(f"`{output}`" for output in signature["outputs"])
        rows.append(f"| `{name}.onnx` | {_FILES[name].format(first=first)} | {inputs} | {outputs} |")
    return "\n".join(rows)


def _axes(shape: list[int | None]) -> str:
    return ", ".join(str(size or (*_DIMENSIONS, *["any"] * axis)[axis]) for axis, size in enumerate(shape))


def _kerasrnn(manifest: dict[str, Any], prompt: str) -> str:
    signatures = manifest["signatures"]
    if manifest["tokenizer"] and "step" in signatures:
        return f"""from kerasrnn.export.runtime import load

model = load(".")
for piece in model.stream({json.dumps(prompt)}, max_new_tokens=200, temperature=0.8, top_p=0.95, seed=7):
    print(piece, end="", flush=True)
print()
print(model.score({json.dumps(prompt)}))  # log-likelihood and number of tokens"""
    if "forecast" in signatures:
        given = ", ".join(f"{name}={value}" for name, value in _paths_of(manifest).items())
        covariates = ", covariates=covariates" if manifest["forecast"]["covariates"] else ""
        arrays = [spec for spec in signatures["forecast"]["inputs"] if len(spec["shape"]) == 3]
        known = "".join(f"\n{spec['name']} = {_in_python(spec, {})}" for spec in arrays)
        return f"""import numpy as np
from kerasrnn.export.runtime import load

model = load("."){known}
outputs = model.forecast(past, {given}{covariates})
print({{name: value.shape for name, value in outputs.items()}})"""
    if "step" in signatures:
        return f"""import numpy as np
from kerasrnn.export.runtime import load

model = load(".")
piece = {{
{_each(signatures["forward"], _in_python, {})}
}}
outputs, states = model.feed(**piece)
outputs, states = model.feed(states, **piece)  # goes on where the last piece ended
print({{name: value.shape for name, value in outputs.items()}})"""
    return f"""import numpy as np
from kerasrnn.export.runtime import load

model = load(".")
outputs = model.forward(**{{
{_each(signatures["forward"], _in_python, {})}
}})
print({{name: value.shape for name, value in outputs.items()}})"""


def _onnxruntime(signatures: dict[str, Any], main: str, values: dict[str, Any]) -> str:
    output = signatures[main]["outputs"][0]
    shown = "[0]" if main == "generate" else ".shape"
    begun = main == "step" and bool(values)
    program = f"""{"import json" if begun else ""}
import numpy as np
import onnxruntime

{_FIRST_IN_PYTHON if begun else ""}session = onnxruntime.InferenceSession("{main}.onnx")
names = [output.name for output in session.get_outputs()]
values = session.run(names, {{
{_each(signatures[main], _in_python, values)}
}})
outputs = dict(zip(names, values))
print(outputs["{output}"]{shown})""".lstrip()
    if main != "generate":
        return program
    return f"""{program}

session = onnxruntime.InferenceSession("score.onnx")
(log_likelihood,) = session.run(["log_likelihood"], {{"text": np.array([{json.dumps(values["prompt"])}])}})
print(log_likelihood[0])"""


def _node(signature: dict[str, Any], main: str, values: dict[str, Any]) -> str:
    begun = main == "step" and bool(values)
    read = 'const { states } = JSON.parse(readFileSync("manifest.json", "utf-8"));\n'
    return f"""{'import { readFileSync } from "node:fs";' if begun else ""}
import * as ort from "onnxruntime-node";

{read + _FIRST_IN_JAVASCRIPT if begun else ""}{_javascript(signature, main, values)}
console.log({_shown(signature, main)});""".lstrip()


def _page(signature: dict[str, Any], main: str, values: dict[str, Any]) -> str:
    begun = main == "step" and bool(values)
    read = 'const { states } = await (await fetch("manifest.json")).json();\n'
    return f"""<!doctype html>
<pre id="shown"></pre>
<script type="module">
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";

ort.env.wasm.numThreads = 1;
{read + _FIRST_IN_JAVASCRIPT if begun else ""}{_javascript(signature, main, values)}
document.getElementById("shown").textContent = {_shown(signature, main)};
</script>"""


def _javascript(signature: dict[str, Any], main: str, values: dict[str, Any]) -> str:
    return f"""const session = await ort.InferenceSession.create("{main}.onnx");
const outputs = await session.run({{
{_each(signature, _in_javascript, values)}
}});"""


def _shown(signature: dict[str, Any], main: str) -> str:
    return f"outputs[{json.dumps(signature['outputs'][0])}].{'data[0]' if main == 'generate' else 'dims'}"


def _each(signature: dict[str, Any], literal: Any, values: dict[str, Any]) -> str:
    return "\n".join(f"    {json.dumps(spec['name'])}: {literal(spec, values)}," for spec in signature["inputs"])


def _in_python(spec: dict[str, Any], values: dict[str, Any]) -> str:
    name, dtype = spec["name"], spec["dtype"]
    if isinstance(values.get(name), _Code):
        return values[name]
    if name in values:
        return f"np.array([{json.dumps(values[name])}]{'' if dtype == 'string' else f', {json.dumps(dtype)}'})"
    return f"np.zeros({tuple(_sizes(spec))}, {json.dumps(dtype)})"


def _in_javascript(spec: dict[str, Any], values: dict[str, Any]) -> str:
    name, dtype = spec["name"], spec["dtype"]
    if isinstance(values.get(name), _Code):
        return values[name]
    if name in values:
        return f"new ort.Tensor({json.dumps(dtype)}, [{json.dumps(values[name])}{'n' if dtype == 'int64' else ''}], [1])"
    sizes = _sizes(spec)
    zeros = f"new {_TYPED_ARRAYS.get(dtype, f'{dtype.capitalize()}Array')}({math.prod(sizes)})"
    return f"new ort.Tensor({json.dumps(dtype)}, {zeros}, {sizes})"


def _sizes(spec: dict[str, Any]) -> list[int]:
    """The shape of an example: one row, ten steps."""
    return [size or (1 if axis == 0 else 10) for axis, size in enumerate(spec["shape"])]


def _prompt(tokenizer: dict[str, Any] | None) -> str:
    """Something to go on from that the model knows the characters of."""
    known = set(tokenizer["vocabulary"]) if tokenizer else set()
    return next(text for text in ("Call me ", "The ", "the ", "") if set(text) <= known)


def _fenced(language: str, program: str) -> str:
    return f"```{language}\n{program}\n```"
