"""Windows in which documents begin: the states are reset at marks in any column."""

from collections.abc import Callable, Mapping
from typing import Any

from kerasrnn._backend import tf
from kerasrnn.models.vocabulary import check_dense


def token_ids_and_resets(inputs: Any) -> tuple[Any, Any]:
    """Splits what `kerasrnn.data.document_streams` yields; token ids alone have no resets.

    Raises:
        ValueError: a dictionary has other keys, or resets of another shape than the token ids.
    """
    if not isinstance(inputs, Mapping):
        check_dense(inputs)
        return tf.convert_to_tensor(inputs), None
    if set(inputs) not in ({"token_ids"}, {"token_ids", "resets"}):
        raise ValueError(
            "inputs: expected token ids, or a dictionary of 'token_ids' and 'resets' as "
            f"kerasrnn.data.document_streams yields it; received a dictionary of {sorted(inputs)}"
        )
    check_dense(inputs["token_ids"])
    token_ids, resets = tf.convert_to_tensor(inputs["token_ids"]), inputs.get("resets")
    if resets is not None:
        resets = tf.cast(resets, bool)
        if not resets.shape.is_compatible_with(token_ids.shape):
            raise ValueError(f"resets: expected the shape of token_ids, {token_ids.shape}; received {resets.shape}")
    return token_ids, resets


def run_with_resets(
    run: Callable[[Any, list[Any], Any], tuple[Any, list[Any]]],
    x: Any,
    states: list[Any],
    initial: list[Any],
    resets: Any,
    mask: Any = None,
) -> tuple[Any, list[Any]]:
    """Runs layers over a window whose rows begin anew at each mark.

    The window is run once for each document that the richest row has a part of, with all but that part masked, so that
    a window without marks past its first column costs one run, and nothing is computed step by step.

    Args:
        run: from x (batch, time, features), states and mask (batch, time) to outputs (batch, time, units) and states.
        x: (batch, time, features).
        states: what rows go on from that have no mark in the first column.
        initial: what a document begins from, each (batch, units).
        resets: (batch, time) booleans, True at the first step of a document.
        mask: (batch, time) booleans of the steps that count, or None.

    Returns:
        (outputs, states) as `run` does.
    """
    states = [tf.where(resets[:, :1], i, s) for i, s in zip(initial, states)]
    if x.shape[1] == 1:
        return run(x, states, mask)
    part = tf.cumsum(tf.cast(resets & (tf.range(tf.shape(resets)[1]) > 0), tf.int32), axis=1)
    last = tf.reduce_max(part)

    def run_part(k: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        here = part == k
        return run(x, states, here if mask is None else here & mask)

    outputs, states = run_part(0, states)

    def body(k: Any, outputs: Any, states: list[Any]) -> tuple[Any, Any, list[Any]]:
        has_part = part[:, -1:] >= k
        new, states = run_part(k, [tf.where(has_part, i, s) for i, s in zip(initial, states)])
        return k + 1, tf.where((part == k)[:, :, None], new, outputs), states

    if tf.executing_eagerly():
        # A tf.while_loop that runs eagerly under a tape fails on nested states.
        for k in range(1, int(last) + 1):
            _, outputs, states = body(k, outputs, states)
        return outputs, states
    # XLA differentiates only loops whose limit it knows.
    limit = tf.shape(part)[1] - 1
    _, outputs, states = tf.while_loop(lambda k, *_: k <= last, body, [1, outputs, states], maximum_iterations=limit)
    return outputs, states
