"""Types of a manifest's fields: what a reader may rely on. No TensorFlow here."""

import math
from typing import Any

_LARGEST = 2**24  # of a state, or an axis: no file could hold the weights of a larger one
_DTYPES = {
    "string", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "bfloat16", "float32",
    "float64", "complex64", "complex128",
}  # fmt: skip


class _Kind:
    """Values of one kind, and the words for it."""

    def __init__(self, words: str, holds: Any) -> None:
        self.words, self.holds = words, holds


class _OrNone:
    def __init__(self, fields: Any) -> None:
        self.fields = fields


_TEXT = _Kind("a string", lambda v: isinstance(v, str))
_BOOLEAN = _Kind("true or false", lambda v: isinstance(v, bool))
_COUNT = _Kind("an integer ≥ 0", lambda v: type(v) is int and 0 <= v < 2**63)
_SIZE = _Kind(f"an integer from 1 to {_LARGEST:,}", lambda v: type(v) is int and 1 <= v <= _LARGEST)
_AXIS = _Kind(f"null, or an integer from 0 to {_LARGEST:,}", lambda v: v is None or type(v) is int and 0 <= v <= _LARGEST)
_NUMBER = _Kind("a finite number", lambda v: type(v) in (int, float) and abs(v) < 2**127 and math.isfinite(v))
_ANY_NUMBER = _Kind("a number", lambda v: type(v) in (int, float) and abs(v) < 2**127)
_DTYPE = _Kind("a dtype's name", lambda v: isinstance(v, str) and v in _DTYPES)

# A dictionary of names, the optional ones with "?"; one of any names {str: …}; a list [of what].
_TOKENIZER = {
    "class_name": _TEXT, "version": _COUNT, "vocabulary": [_TEXT], "unknown_token": _TEXT, "start_token": _TEXT,
    "normalization?": _OrNone(_TEXT), "standardize?": _OrNone(_TEXT), "aliases?": {str: _TEXT}, "pattern?": _TEXT,
    "lowercase?": _BOOLEAN, "separator?": _TEXT, "model?": _TEXT, "end_token?": _OrNone(_TEXT), "padding_token?": _OrNone(_TEXT),
}  # fmt: skip
_CHECK = {
    "signature": _TEXT, "judged": _TEXT, "batch": _COUNT, "steps": _COUNT, "error": _ANY_NUMBER, "limit": _ANY_NUMBER, "note": _TEXT
}  # fmt: skip
_FORECAST = {"horizon": _SIZE, "channels?": _SIZE, "covariates": _COUNT, "levels?": [_NUMBER]}
_FORECASTER = {
    "horizon": _SIZE, "channels": _SIZE, "covariates": _COUNT, "lags": _OrNone(_SIZE), "output": _TEXT, "outputs": [_TEXT],
}  # fmt: skip
_SPECS = [{"name": _TEXT, "dtype": _DTYPE, "shape": [_AXIS]}]
_FIELDS = {
    "kind": _TEXT,
    "versions": {str: _TEXT},
    "model": {"class_name": _TEXT, "name?": _TEXT, "parameters": _COUNT},
    "signatures": {str: {"inputs": _SPECS, "outputs": [_TEXT], "output_specs?": _SPECS}},
    "states": [{"name": _TEXT, "size": _SIZE, "initial?": [_NUMBER]}],
    "no_step?": _OrNone(_TEXT),
    "vocabulary_size": _OrNone(_SIZE),
    "tokenizer": _OrNone(_TOKENIZER),
    "token_ids_only?": _OrNone(_TEXT),
    "parity": {"checks": [_CHECK]},
    "quantize?": _OrNone(_TEXT),
    "max_loss?": _OrNone(_NUMBER),
    "layers?": _OrNone({str: _TEXT}),
    "forecast?": _OrNone(_FORECAST),
    "forecaster?": _FORECASTER,
}


def fault_of(manifest: dict[str, Any]) -> str | None:
    """What is wrong first with a manifest's fields, as "field: expected …; received …"; None if nothing is."""
    return _fault(manifest, _FIELDS, "") or _fault_between(manifest)


def _fault(value: Any, fields: Any, where: str) -> str | None:
    if isinstance(fields, _OrNone):
        return None if value is None else _fault(value, fields.fields, where)
    if isinstance(fields, _Kind):
        return None if fields.holds(value) else f"{where}: expected {fields.words}; received {_short(value)}"
    kind = type(fields)
    if not isinstance(value, kind):
        return f"{where}: expected {'a list' if kind is list else 'an object'}; received {_short(value)}"
    if kind is list:
        parts = [(one, fields[0], f"{where}[{place}]") for place, one in enumerate(value)]
    elif str in fields:
        parts = [(one, fields[str], f"{where}.{name}") for name, one in value.items()]
    else:
        if missing := [name for name in fields if not name.endswith("?") and name not in value]:
            return f"{where or 'manifest'}: expected {missing[0]}; received {_short(sorted(value))}"
        names = {name.removesuffix("?"): of for name, of in fields.items()}
        parts = [(value[name], of, f"{where}.{name}".lstrip(".")) for name, of in names.items() if name in value]
    return next((fault for part in parts if (fault := _fault(*part))), None)


def _fault_between(manifest: dict[str, Any]) -> str | None:
    """What one field says against another."""
    signatures, states = manifest["signatures"], manifest["states"]
    for name, signature in signatures.items():
        names = [spec["name"] for spec in signature["inputs"]]
        if not names or len({*names}) < len(names):
            return f"signatures.{name}.inputs: expected inputs of different names; received {_short(names)}"
    if states and "step" not in signatures:
        return f"states: expected none without a step; received {_short(states)}"
    step = signatures.get("step", {"inputs": [], "outputs": []})
    shapes = {spec["name"]: spec["shape"] for spec in step["inputs"]}
    for state in states:
        name, size = state["name"], state["size"]
        if shapes.get(name, [])[1:] != [size] or f"next_{name}" not in step["outputs"]:
            return f"states: expected {name}, of size {size}, as an input of step, and next_{name} as an output; received neither"
        if len(state.get("initial", [0] * size)) != size:
            return f"states: expected {size} initial numbers of {name}; received {len(state['initial'])}"
    if "forecast" in signatures and (not manifest.get("forecast") or len(signatures["forecast"]["inputs"][0]["shape"]) != 3):
        return "forecast: expected what is forecast, of a window of three axes; received none"
    tokenizer = manifest["tokenizer"]
    if tokenizer and len(tokenizer["vocabulary"]) != manifest["vocabulary_size"]:
        return f"vocabulary_size: expected {len(tokenizer['vocabulary'])}, the tokenizer's; received {manifest['vocabulary_size']}"
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"{text[:80]}…"
