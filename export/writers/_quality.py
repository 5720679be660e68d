"""What a quantised model has lost: its quality beside Keras's, measured and held to a limit."""

import math
from typing import Any

import numpy as np

from kerasrnn.export.writers._texts import request
from kerasrnn.export.writers._verification import Check, Function, check_all, check_outputs

MAX_LOSS = 0.01  # of a language model: how much larger its perplexity may be, as a share
MAX_ERROR = 0.05  # of any other: the root mean square error of an output over its spread (standard deviation)
_GROSS = 0.5  # of states, which may drift apart without loss of quality


def verify_quality(
    reference: dict[str, Function], candidate: dict[str, Function], samples: dict[str, np.ndarray], text: bool,
    states: list[tuple[str, int]], max_loss: float | None = None, language_model: bool = True,
) -> list[Check]:  # fmt: skip
    """Compares a quantised model with Keras's.

    A language model's loss is that of its perplexity, exp(Δ) − 1. Where the samples are text, Δ is by how many more nats a
    token the quantised model predicts it; where they are random, its mean Kullback–Leibler divergence from Keras's model.
    The loss of another model is the largest error of an output, as its root mean square over the output's standard deviation.

    Args:
        reference: Keras's functions by signature.
        candidate: the artefact's.
        samples: inputs of forward.
        text: whether they are text.
        states: names and widths of the states of step.
        max_loss: the limit; None for `MAX_LOSS` or `MAX_ERROR`.
        language_model: whether forward takes token ids and gives the logits of the next ones.

    Raises:
        ParityError: the loss is above the limit, or a signature is something else altogether.
    """
    rows, steps = (next(iter(samples.values())).shape[:2] + (1,))[:2]
    expected, received = reference["forward"](samples), candidate["forward"](samples)
    check_outputs(expected, received)
    limit = max_loss if max_loss is not None else MAX_LOSS if language_model else MAX_ERROR
    if language_model:
        (token_ids,) = samples.values()
        kind = "perplexity" if text else "divergence"
        loss = _loss_of_perplexity(expected["logits"], received["logits"], token_ids if text else None)
    else:
        kind, loss = "rms error", max(_error(expected[name], received[name]) for name in expected)
    checks = [Check("forward", kind, rows, steps, loss, limit)]
    if states:
        inputs = {**samples, **{name: np.zeros((rows, width), np.float32) for name, width in states}}
        expected, received = reference["step"](inputs), candidate["step"](inputs)
        check_outputs(expected, received)
        error = max(_error(expected[name], received[name]) for name in expected)
        checks.append(Check("step", "rms error", rows, steps, error, _GROSS))
    if "generate" in candidate:
        inputs = request(["", ""], [{"temperature": 0.0}, {"temperature": 0.7}], 50)
        written = reference["generate"](inputs)
        check_outputs(written, candidate["generate"](inputs))
        texts = {"text": np.array([text for text in written["text"] if text] or ["\n"], object)}
        expected, received = reference["score"](texts), candidate["score"](texts)
        check_outputs(expected, received)
        nats = abs(float(np.sum(expected["log_likelihood"]) - np.sum(received["log_likelihood"])))
        tokens = int(expected["num_tokens"].sum())
        checks.append(Check("score", "nats a token", len(texts["text"]), tokens, nats / tokens, math.log1p(_GROSS)))
    return check_all(checks)


def _loss_of_perplexity(expected: np.ndarray, received: np.ndarray, token_ids: np.ndarray | None) -> float:
    p, q = _log_softmax(expected), _log_softmax(received)
    if token_ids is None:
        return math.expm1(float((np.exp(p) * (p - q)).sum(axis=-1).mean()))
    following = token_ids[:, 1:, None].astype(np.int64)
    difference = np.take_along_axis((p - q)[:, :-1], following, axis=-1)
    return math.expm1(float(difference.mean()))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def _error(expected: np.ndarray, received: Any) -> float:
    if not expected.size:
        return 0.0
    difference = float(np.sqrt(np.mean(np.square(expected - received, dtype=np.float64))))
    return difference / max(float(expected.std()), float(np.abs(expected).max()) * 1e-3, 1e-6)
