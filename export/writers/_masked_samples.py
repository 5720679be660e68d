"""Samples with masked steps: at the beginning, in the middle, at the end, and all over a row.

A mask can arise from an id of 0, from a value that a Masking layer waits for, from a boolean input, or from whatever the model
computes. So steps that hide are searched for among steps of constants and random ones, by the masks that layers are given.
"""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from kerasrnn.export.writers._observed import Observed, Seen
from kerasrnn.export.writers._signature import Signature

_STEPS = 16  # of inputs that take any number
_POOL, _AT_ONCE = 64, 32  # random steps to look among; steps tried in one call

Step = dict[str, np.ndarray]  # inputs by name, each (features,) as one step of a row has it


@dataclass(frozen=True)
class MaskedSamples:
    """Rows with masked steps.

    Attributes:
        inputs: by name; the first three rows hold a row masked in places, one wholly masked, and one as it was.
        outputs: what forward gives on them, by name.
        masked: whether a layer is given a mask.
        never: layers whose masks hide none of all the steps that were tried.
    """

    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    masked: bool
    never: list[str]

    def finite(self) -> dict[str, np.ndarray]:
        """The rows for which the model gives finite numbers, as it may not of a mean over no steps."""
        kept = np.all([_finite_rows(value) for value in self.outputs.values()], axis=0)
        return {name: value[kept] for name, value in self.inputs.items()}


def masked_samples(model: keras.Model, forward: Signature, samples: dict[str, np.ndarray]) -> MaskedSamples | None:
    """The first rows of the samples with masked steps in them, or None where no input has a time axis.

    Args:
        model: the model that is exported.
        forward: its call on whole sequences.
        samples: its inputs, at least three rows.
    """
    over_time = {spec.name: spec.shape[1] or _STEPS for spec in forward.inputs if has_time_axis(spec)}
    if not over_time:
        return None
    base = {name: value[:, : over_time[name]] if name in over_time else value for name, value in samples.items()}
    observed = Observed(model, forward)

    def tried(hiding: list[Step]) -> tuple[dict[str, np.ndarray], Seen, list[tuple[str, np.ndarray]]]:
        inputs, count = _rows(base, hiding), forward.rows or 2 * len(hiding) + 1
        inputs = {name: value[np.arange(count) % len(value)] for name, value in inputs.items()}
        seen = observed(*(tf.constant(inputs[spec.name]) for spec in forward.inputs))
        return inputs, seen, [(name, mask) for name, mask in seen.masks if mask.ndim == 2 and len(mask) == count]

    usual = _usual_steps(model, base, list(over_time))
    inputs, seen, masks = tried(usual)
    found: list[Step] = []
    # Where the number of rows is fixed, there is no room for more than the usual steps.
    missing = {i for i, (_, mask) in enumerate(masks) if not _hiding(mask)} if forward.rows is None else set()
    pool = _pool(samples, list(over_time)) if missing else []
    while missing and pool:
        some, pool = pool[:_AT_ONCE], pool[_AT_ONCE:]
        for i, (_, mask) in enumerate(tried(some)[2]):
            if i in missing and (hiding := _hiding(mask)):
                missing.remove(i)
                found.append(some[hiding[0]])
    if found:
        inputs, seen, masks = tried([*usual, *found])
    never = [name for name, mask in masks if (mask.all() if forward.rows else not _hiding(mask))]
    return MaskedSamples(inputs, seen.outputs, bool(masks), list(dict.fromkeys(never)))


def has_time_axis(spec: tf.TensorSpec) -> bool:
    """Whether an input's second axis is time: of any length, or fixed where it cannot be the features."""
    shape = spec.shape
    return shape.rank > 1 and (shape[1] is None or shape.rank > 2 or spec.dtype.is_integer or spec.dtype.is_bool)


def _usual_steps(model: keras.Model, base: dict[str, np.ndarray], over_time: list[str]) -> list[Step]:
    """Zeros, False or empty strings in all inputs; the values of Masking layers in those of floats; zeros in one input alone."""
    step = {name: np.asarray(base[name][0, 0], base[name].dtype) for name in over_time}
    zeros = {name: np.full_like(value, "" if value.dtype == object else 0) for name, value in step.items()}
    floats = [name for name, value in step.items() if value.dtype.kind == "f"]
    values = {float(layer.mask_value) for layer in model._flatten_layers() if isinstance(layer, keras.layers.Masking)} - {0.0}
    found = [zeros, *({name: np.full_like(step[name], value) for name in floats} for value in sorted(values) if floats)]
    return found + [{name: zeros[name]} for name in over_time if len(over_time) > 1]


def _pool(samples: dict[str, np.ndarray], over_time: list[str]) -> list[Step]:
    """Constants from −4 to 4 by quarters, all integers of the samples, and random steps of them, some ten times as large."""
    random = np.random.default_rng(1)
    floats = [name for name in over_time if samples[name].dtype.kind == "f"]
    constants = np.arange(-4, 4.25, 0.25) if floats else ()
    pool: list[Step] = [{name: np.full_like(samples[name][0, 0], value) for name in floats} for value in constants]
    for name in over_time:
        if samples[name].dtype.kind in "iu":
            pool += [{name: np.full_like(samples[name][0, 0], value)} for value in np.unique(samples[name])]
    for scale in (1, 10):
        for row, place in random.random((_POOL, 2)):
            values = {name: samples[name] for name in over_time}
            step = {n: v[int(row * len(v)), int(place * v.shape[1])] for n, v in values.items()}
            pool.append({n: (v * scale).astype(v.dtype) if n in floats else v for n, v in step.items()})
    return pool


def _rows(base: dict[str, np.ndarray], hiding: list[Step]) -> dict[str, np.ndarray]:
    """Two rows for each hiding step, hidden in places and all over, and after the first two one of no zeros."""
    patterns = [(step, all_over) for step in hiding for all_over in (False, True)]
    patterns.insert(2, ({}, False))
    inputs = {}
    for name, value in base.items():
        rows = np.stack([value[i % len(value)] for i in range(len(patterns))])
        if value.dtype.kind in "iub":
            rows[2] = np.where(rows[2] == 0, value.max(initial=0), rows[2])
        for row, (step, all_over) in zip(rows, patterns):
            if name in step:
                row[hidden_places(len(row)) | all_over] = step[name]
        inputs[name] = rows
    return inputs


def hidden_places(steps: int) -> np.ndarray:
    """Steps at the beginning, two runs in the middle, and steps at the end, (steps,) booleans."""
    hidden = np.zeros(steps, bool)
    for first, last in ((0, steps // 8), (steps // 3, steps // 3 + steps // 12), (5 * steps // 8, 5 * steps // 8 + 1)):
        hidden[first:last] = True
    hidden[steps - steps // 5 :] = True
    return hidden


def cuts_around_masked(steps: int) -> list[int]:
    """Where to cut that many steps, so that pieces begin, end and lie within the hidden places."""
    edges = np.flatnonzero(np.diff(hidden_places(steps))) + 1
    cuts = {int(edge) for edge in edges[::2]} | {int(edge) + 1 for edge in edges[1::2]} | {steps - 1}
    return sorted(cut for cut in cuts if 0 < cut < steps)


def _hiding(mask: np.ndarray) -> list[int]:
    """The numbers of the hiding steps for which a mask hides wholly what is hidden all over its row."""
    all_over = [row for i, row in enumerate(mask) if i == 1 or (i > 2 and i % 2 == 0)]
    return [i for i, row in enumerate(all_over) if not row.any()]


def _finite_rows(value: np.ndarray) -> np.ndarray:
    return np.isfinite(value).reshape(len(value), -1).all(axis=1) if value.dtype.kind == "f" else np.ones(len(value), bool)
