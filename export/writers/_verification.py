"""Proof that an artefact computes what Keras computes, by numbers, before anyone sees it.

Errors are the largest absolute difference over the spread (largest minus smallest) of Keras's values. They are judged
one step at a time from shared states: a recurrent network may amplify rounding without bound, and that is no fault of
an export. The error of running freely, each side on its own states, is reported beside it and held to a wide limit,
which a wrong weight or a lost state exceeds by far.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kerasrnn.export._manifest import ArtefactError

ONE_STEP_LIMIT = 1e-5
FREE_LIMIT = 1e-3
BATCHES = (1, 3)
STEPS = (1, 2, 17, 200)

# Named arrays in, named arrays out.
Function = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Check:
    """One comparison of the artefact with Keras."""

    signature: str
    judged: str  # "one step" or "running freely"
    batch: int
    steps: int
    error: float
    limit: float

    @property
    def passed(self) -> bool:
        return self.error <= self.limit  # a NaN fails


class ParityError(ArtefactError):
    """The exported model computes something else than the Keras model; nothing was written."""


def verify(reference: dict[str, Function], candidate: dict[str, Function], samples: dict[str, np.ndarray],
           states: list[tuple[str, int]]) -> list[Check]:  # fmt: skip
    """Compares every signature of `candidate` with `reference`.

    Args:
        reference: Keras's functions by signature.
        candidate: the artefact's.
        samples: inputs of forward, each (at least 3, …); those with a time axis of at least 200 steps.
        states: names and widths of the states of step, where there is one.

    Returns:
        The checks, all passed.

    Raises:
        ParityError: with the table of all checks.
    """
    checks = []
    if "step" not in reference:
        for batch in BATCHES:
            inputs = {name: value[:batch] for name, value in samples.items()}
            error = _error(reference["forward"](inputs), candidate["forward"](inputs))
            checks.append(Check("forward", "running freely", batch, _steps(inputs), error, FREE_LIMIT))
    else:
        ((name, token_ids),) = samples.items()
        for batch in BATCHES:
            for steps in STEPS:
                inputs = {name: token_ids[:batch, :steps]}
                error = _error(reference["forward"](inputs), candidate["forward"](inputs))
                judged, limit = ("one step", ONE_STEP_LIMIT) if steps == 1 else ("running freely", FREE_LIMIT)
                checks.append(Check("forward", judged, batch, steps, error, limit))
            checks.extend(_verify_step(reference, candidate, name, token_ids[:batch], states))
    if not all(check.passed for check in checks):
        raise ParityError("the exported model does not compute what the Keras model does; nothing was written.\n" + table(checks))
    return checks


def _verify_step(reference: dict[str, Function], candidate: dict[str, Function], name: str, token_ids: np.ndarray,
                 states: list[tuple[str, int]]) -> list[Check]:  # fmt: skip
    batch, steps = len(token_ids), STEPS[-1]
    zeros = {state: np.zeros((batch, width), np.float32) for state, width in states}
    whole = {name: token_ids[:, :steps]}
    shared, own = zeros, zeros
    one_step, logits = 0.0, []
    for t in range(steps):
        tokens = {name: token_ids[:, t : t + 1]}
        expected = reference["step"]({**tokens, **shared})
        one_step = _largest(one_step, _error(expected, candidate["step"]({**tokens, **shared})))
        free = candidate["step"]({**tokens, **own})
        logits.append(free["logits"])
        shared, own = ({state: outputs[f"next_{state}"] for state in zeros} for outputs in (expected, free))
    in_one_call = _error(reference["step"]({**whole, **zeros}), candidate["step"]({**whole, **zeros}))
    free_error = _error(reference["forward"](whole), {"logits": np.concatenate(logits, axis=1)})
    return [
        Check("step", "one step", batch, steps, one_step, ONE_STEP_LIMIT),
        Check("step", "running freely", batch, steps, _largest(in_one_call, free_error), FREE_LIMIT),
    ]


def _error(expected: dict[str, np.ndarray], received: dict[str, np.ndarray]) -> float:
    worst = 0.0
    for name, value in expected.items():
        if name not in received:
            raise ParityError(f"output {name!r} is missing from the exported model; it has {sorted(received)}")
        if received[name].shape != value.shape or received[name].dtype != value.dtype:
            raise ParityError(
                f"output {name!r}: expected {value.dtype} of shape {value.shape}, as Keras gives it; the exported "
                f"model gives {received[name].dtype} of shape {received[name].shape}"
            )
        if value.size:
            spread = max(float(np.ptp(value)), 1e-6)
            worst = _largest(worst, float(np.abs(received[name] - value).max()) / spread)
    return worst


def _largest(a: float, b: float) -> float:
    return a if np.isnan(a) or a >= b else b  # unlike max, keeps a NaN


def _steps(inputs: dict[str, np.ndarray]) -> int:
    return max((value.shape[1] for value in inputs.values() if value.ndim > 1), default=1)


def table(checks: list[Check]) -> str:
    """The checks as aligned text."""
    rows = [("signature", "judged", "batch", "steps", "error / spread", "limit", "")]
    rows += [
        (c.signature, c.judged, str(c.batch), str(c.steps), f"{c.error:.1e}", f"{c.limit:.0e}", "ok" if c.passed else "FAILED")
        for c in checks
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def as_json(checks: list[Check]) -> dict[str, Any]:
    """The manifest's part on parity."""
    return {
        "one_step": max((c.error for c in checks if c.judged == "one step"), default=None),
        "running_freely": max(c.error for c in checks if c.judged == "running freely"),
        "limits": {"one_step": ONE_STEP_LIMIT, "running_freely": FREE_LIMIT},
        "checks": [asdict(c) for c in checks],
    }
