"""Proof that an artefact computes what Keras computes, by numbers, before anyone sees it.

Errors are the largest absolute difference over the spread (largest minus smallest) of Keras's values. They are judged
one step at a time from shared states: a recurrent network may amplify rounding without bound, and that is no fault of
an export. The error of running freely, each side on its own states, is reported beside it and held to a wide limit,
which a wrong weight or a lost state exceeds by far. Texts must be the same, but where a draw lies at a boundary.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from rich.console import Console

from kerasrnn.export._manifest import ArtefactError
from kerasrnn.export._report import parity_table
from kerasrnn.export.writers._feeding import Function, fed, joined
from kerasrnn.export.writers._masked_samples import cuts_around_masked
from kerasrnn.export.writers._signature import first_states
from kerasrnn.export.writers._texts import compare, request

ONE_STEP_LIMIT = 1e-5
FREE_LIMIT = 1e-3
BATCHES = (1, 3)
STEPS = (1, 2, 17, 200)
NEW_TOKENS = 100
TEXT_LIMIT = 1e-4  # nats a token
SETTINGS: list[dict[str, Any]] = [
    {"temperature": 0.0}, {"temperature": 0.7}, {"top_k": 5}, {"top_p": 0.9}, {"min_p": 0.1}, {"repetition_penalty": 1.3},
    {"temperature": 0.0, "repetition_penalty": 1.3}, {"temperature": 1.3, "top_k": 9, "top_p": 0.8, "min_p": 0.02},
]  # fmt: skip

_REMEDY = (
    "The inputs were `samples`, seeded random ones by default. Where those are none that the model was made for, give "
    "samples=…, real data: arrays like the model's inputs, at least 3 rows, best of 200 steps."
)


@dataclass(frozen=True)
class Check:
    """One comparison of the artefact with Keras."""

    signature: str
    judged: str  # "one step", "running freely", "text" or "nats a token"
    batch: int
    steps: int
    error: float
    limit: float
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.error <= self.limit  # a NaN fails


class ParityError(ArtefactError):
    """The exported model computes something else than the Keras model; nothing was written."""


def verify(
    reference: dict[str, Function], candidate: dict[str, Function], samples: dict[str, np.ndarray],
    states: dict[str, np.ndarray], tokenizer: Any = None, masked: dict[str, np.ndarray] | None = None, any_length: bool = True,
    batches: Sequence[int] = BATCHES,
) -> list[Check]:  # fmt: skip
    """Compares every signature of `candidate` with `reference`.

    Args:
        reference: Keras's functions by signature.
        candidate: the artefact's.
        samples: inputs of forward, each (at least 3, …); those with a time axis of at least 200 steps.
        states: the states of step at the beginning of a row, each (size,), by name, where there is a step.
        tokenizer: the runtime's, where there is a generate.
        masked: inputs of forward, rows with masked steps, where the model knows masks.
        any_length: whether forward takes other lengths than the samples'.
        batches: numbers of rows.

    Returns:
        The checks, all passed.

    Raises:
        ParityError: with the table of all checks.
    """
    checks = []
    # One step of one row may be near zero in all its numbers: errors are judged by how large these get.
    scales = {name: _spread(name, value) for name, value in reference["forward"](samples).items()}
    if "step" not in reference:
        for batch in batches:
            inputs = {name: value[:batch] for name, value in samples.items()}
            error = _error(reference["forward"](inputs), candidate["forward"](inputs), scales)
            checks.append(Check("forward", "running freely", batch, _steps(inputs), error, FREE_LIMIT))
    else:
        most = min(value.shape[1] for value in samples.values())
        lengths = [steps for steps in STEPS if steps <= most] if any_length else [most]
        for batch in batches:
            for steps in lengths:
                inputs = {name: value[:batch, :steps] for name, value in samples.items()}
                error = _error(reference["forward"](inputs), candidate["forward"](inputs), scales)
                judged, limit = ("one step", ONE_STEP_LIMIT) if steps == 1 else ("running freely", FREE_LIMIT)
                checks.append(Check("forward", judged, batch, steps, error, limit))
            rows = {name: value[:batch, : lengths[-1]] for name, value in samples.items()}
            checks.extend(_verify_step(reference, candidate, rows, states))
        if "generate" in reference:
            (token_ids,) = samples.values()
            prompts = ["", *(tokenizer.detokenize(row[:steps]) for row, steps in zip(token_ids, STEPS[1:], strict=True))]
            checks.extend(_verify_generate(reference, candidate, prompts, tokenizer))
            checks.append(_verify_score(reference, candidate, prompts))
    if masked is not None:
        checks.extend(_verify_masked(reference, candidate, masked, states, scales, batches))
    return check_all(checks)


def check_all(checks: list[Check]) -> list[Check]:
    """The checks, if all are passed; else a ParityError with their table."""
    if not all(check.passed for check in checks):
        console = Console(width=100)
        with console.capture() as text:
            console.print(parity_table([asdict(check) for check in checks]))
        message = "the exported model does not compute what the Keras model does; nothing was written."
        raise ParityError(f"{message}\n{text.get()}{_REMEDY}")
    return checks


def _verify_masked(
    reference: dict[str, Function], candidate: dict[str, Function], masked: dict[str, np.ndarray], states: dict[str, np.ndarray],
    scales: dict[str, float], batches: Sequence[int],
) -> list[Check]:  # fmt: skip
    """The first two rows by themselves, the first three, and all; only these where the number of rows is fixed."""
    count = len(next(iter(masked.values())))
    if "step" in reference:
        # A row that is masked all over gives one number again and again: errors are judged by all rows' spread.
        found = reference["step"]({**masked, **first_states(states, count)})
        scales = {name: max(_spread(name, value), scales.get(name, 0.0)) for name, value in found.items()}
    checks = []
    some = (slice(0, 1), slice(1, 2), slice(0, max(BATCHES))) if batches == BATCHES else ()
    for rows in (*some, slice(None)):
        inputs = {name: value[rows] for name, value in masked.items()}
        error = _error(reference["forward"](inputs), candidate["forward"](inputs), scales)
        batch = len(next(iter(inputs.values())))
        if not batch:
            continue
        checks.append(Check("forward", "running freely", batch, _steps(inputs), error, FREE_LIMIT))
        if "step" in reference:
            checks += _verify_step(reference, candidate, inputs, states, scales)
    # One check of each kind and batch, the worst.
    worst: dict[tuple[Any, ...], Check] = {}
    for check in checks:
        key = check.signature, check.judged, check.batch
        if key not in worst or not check.error <= worst[key].error:
            worst[key] = replace(check, note="masked steps" if check.passed else "masked steps, FAILED")
    return list(worst.values())


def _verify_generate(
    reference: dict[str, Function], candidate: dict[str, Function], prompts: list[str], tokenizer: Any
) -> list[Check]:
    def logits_of(token_ids: np.ndarray) -> np.ndarray:
        return reference["forward"]({"token_ids": token_ids[None]})["logits"][0, -1]

    whole = request(prompts, SETTINGS, NEW_TOKENS)
    # A stop string that does occur: from within the first text that has one.
    text = next((t for t in reference["generate"](whole)["text"] if len(t) > 9), "")
    whole = request(prompts, [*SETTINGS, {"temperature": 0.7, "stop": text[6:8]}, {"stop": text[5:6]}], NEW_TOKENS)
    checks = []
    for rows in (slice(0, 1), slice(None)):
        inputs = {name: values[rows] for name, values in whole.items()}
        expected, received = reference["generate"](inputs), candidate["generate"](inputs)
        _error({n: v for n, v in expected.items() if n != "text"}, received)  # for its shapes and types
        found = compare(inputs, expected["text"], received["text"], logits_of, tokenizer)
        batch = len(inputs["prompt"])
        note = f"{len(found.equal)} of {batch} equal"
        if found.at_boundary:
            note += f", {len(found.at_boundary)} part at a boundary (margins up to {max(m for *_, m in found.at_boundary):.0e})"
        if found.unexplained:
            row, position, margin = found.unexplained[0]
            note += (
                f", FAILED: row {row} parts at token {position}, where no boundary is nearer than {margin:.0e}: expected "
                f"{expected['text'][row]!r}, received {received['text'][row]!r}"
            )
        checks.append(Check("generate", "text", batch, NEW_TOKENS, float(len(found.unexplained)), 0.0, note))
        same = {k: {n: v[found.equal] for n, v in values.items()} for k, values in (("a", expected), ("b", received))}
        if not np.array_equal(same["a"]["num_tokens"], same["b"]["num_tokens"]):
            raise ParityError(f"num_tokens: expected {expected['num_tokens']}; received {received['num_tokens']}")
        checks.append(Check("generate", "nats a token", batch, NEW_TOKENS, _nats(same["a"], same["b"]), TEXT_LIMIT))
    return checks


def _verify_score(reference: dict[str, Function], candidate: dict[str, Function], texts: list[str]) -> Check:
    # Longer than what is read in one piece, and of very different lengths.
    inputs = {"text": np.array([*texts, texts[-1] * 4], object)}
    expected, received = reference["score"](inputs), candidate["score"](inputs)
    _error(expected, received)
    if not np.array_equal(expected["num_tokens"], received["num_tokens"]):
        raise ParityError(f"num_tokens: expected {expected['num_tokens']}; received {received['num_tokens']}")
    steps = int(expected["num_tokens"].max())
    return Check("score", "nats a token", len(inputs["text"]), steps, _nats(expected, received), TEXT_LIMIT)


def _nats(expected: dict[str, np.ndarray], received: dict[str, np.ndarray]) -> float:
    difference = np.abs(expected["log_likelihood"] - received["log_likelihood"]) / np.maximum(expected["num_tokens"], 1)
    return float(difference.max(initial=0.0))


def verify_interface(expected: dict[str, Any], received: dict[str, Any]) -> None:
    """Names, then types, then axes: each signature's inputs, and its outputs' names.

    Args:
        expected, received: by signature, {"inputs": {name: (dtype, shape)}, "outputs": [names]}; None in a shape for any size.

    Raises:
        ParityError: names the first that differs.
    """
    for signature, interface in expected.items():
        if signature not in received:
            raise ParityError(f"signature {signature!r}: expected by the model, missing from the export: {sorted(received)}")
        found = received[signature]
        for kind in ("inputs", "outputs"):
            if set(interface[kind]) != set(found[kind]):
                raise ParityError(f"{signature}: expected the {kind} {list(interface[kind])}; received {list(found[kind])}")
        for name, value in interface["inputs"].items():
            if found["inputs"][name] != value:
                raise ParityError(f"{signature}: input {name!r}: expected {value}; received {found['inputs'][name]}")


def _verify_step(
    reference: dict[str, Function], candidate: dict[str, Function], whole: dict[str, np.ndarray],
    states: dict[str, np.ndarray], at_least: dict[str, float] | None = None,
) -> list[Check]:  # fmt: skip
    batch, steps = next(iter(whole.values())).shape[:2]
    shared = first = first_states(states, batch)
    pairs = []
    single = min(steps, max(STEPS))  # steps taken one by one; of a longer input the others are one piece
    for t in range(single):
        inputs = {name: value[:, t : t + 1] for name, value in whole.items()} | shared
        pairs.append((reference["step"](inputs), candidate["step"](inputs)))
        shared = {state: pairs[-1][0][f"next_{state}"] for state in first}
    scales = {name: max((at_least or {}).get(name, 0.0), *(_spread(name, e[name]) for e, _ in pairs)) for name in pairs[0][0]}
    one_step = 0.0
    for expected, received in pairs:
        one_step = _largest(one_step, _error(expected, received, scales))
    in_one_call = {**whole, **first}
    free_error = _error(reference["step"](in_one_call), candidate["step"](in_one_call), at_least)
    expected = reference["forward"](whole)
    for cuts in ([*range(1, single), *([single] if single < steps else [])], *([cuts_around_masked(steps)] if at_least else [])):
        pieces = fed(candidate["step"], whole, states, cuts)
        received = {name: joined([piece[name] for piece in pieces], value) for name, value in expected.items()}
        free_error = _largest(free_error, _error(expected, received, at_least))
    return [
        Check("step", "one step", batch, steps, one_step, ONE_STEP_LIMIT),
        Check("step", "running freely", batch, steps, free_error, FREE_LIMIT),
    ]


def _error(
    expected: dict[str, np.ndarray], received: dict[str, np.ndarray], scales: dict[str, float] | None = None
) -> float:
    """The largest difference over the output's spread, or over its scale where that is larger."""
    check_outputs(expected, received)
    worst = 0.0
    for name, value in expected.items():
        if value.size:
            scale = max(_spread(name, value), (scales or {}).get(name, 0.0))
            worst = _largest(worst, _difference(value, received[name]) / scale)
    return worst


def _difference(expected: np.ndarray, received: np.ndarray) -> float:
    if expected.dtype == object:  # strings
        return 0.0 if np.array_equal(expected, received) else np.inf
    return float(np.abs(_as_floats(received) - _as_floats(expected)).max())


def _as_floats(value: np.ndarray) -> np.ndarray:
    return value if value.dtype.kind == "f" else value.astype(np.float64)


def _spread(name: str, value: np.ndarray) -> float:
    if value.dtype == object:
        return 1.0
    value = _as_floats(value)
    # The few numbers of a small output or state may be all but equal.
    few = name.startswith("next_") or value.ndim == 0 or value.shape[-1] < 8
    return max(float(np.ptp(value)), float(np.abs(value).max()) if few else 0.0, 1e-6) if value.size else 1e-6


def check_outputs(expected: dict[str, np.ndarray], received: dict[str, np.ndarray]) -> None:
    """Raises a ParityError unless names, shapes and types are the same."""
    for name, value in expected.items():
        if name not in received:
            raise ParityError(f"output {name!r} is missing from the exported model; it has {sorted(received)}")
        if received[name].shape != value.shape or received[name].dtype != value.dtype:
            raise ParityError(
                f"output {name!r}: expected {value.dtype} of shape {value.shape}, as Keras gives it; the exported "
                f"model gives {received[name].dtype} of shape {received[name].shape}"
            )


def _largest(a: float, b: float) -> float:
    return a if np.isnan(a) or a >= b else b  # unlike max, keeps a NaN


def _steps(inputs: dict[str, np.ndarray]) -> int:
    return max((value.shape[1] for value in inputs.values() if value.ndim > 1), default=1)


def as_json(checks: list[Check]) -> dict[str, Any]:
    """The manifest's part on parity."""
    def largest(judged: str) -> float | None:
        return max((c.error for c in checks if c.judged == judged), default=None)

    return {
        "one_step": largest("one step"),
        "running_freely": largest("running freely"),
        "nats_a_token": largest("nats a token"),
        "limits": {"one_step": ONE_STEP_LIMIT, "running_freely": FREE_LIMIT, "nats_a_token": TEXT_LIMIT},
        "checks": [asdict(c) for c in checks],
    }
