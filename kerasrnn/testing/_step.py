"""Examinations of a cell by itself: one step at a time, eagerly, in float64."""

from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.cells import Cell
from kerasrnn.testing._examination import DoesNotApply, Findings, examination
from kerasrnn.testing._subject import CellSubject, state_names, step, weight_names

EXACT = 1e-10  # float64, over a few operations


@examination("sizes, shapes and types are as Keras asks", "the message above says what the step cannot do")
def contract(subject: CellSubject, findings: Findings) -> None:
    cell = subject.cell()
    sizes = keras.tree.flatten(getattr(cell, "state_size", None))
    if not findings.require(
        bool(sizes) and all(isinstance(size, int) and size > 0 for size in sizes),
        "state_size", "a positive integer, or a list of them, one a state", getattr(cell, "state_size", None),
        "set self.state_size in __init__",
    ):  # fmt: skip
        return
    output_size = getattr(cell, "output_size", sizes[0])
    findings.require(
        isinstance(output_size, int) and output_size > 0, "output_size", "a positive integer", output_size,
        "set self.output_size to the width of the output, or leave it out where that is the first state's",
    )  # fmt: skip
    names = weight_names(cell)
    findings.require(
        len({*names}) == len(names), "names of the weights", "all different", names,
        "give each weight a name of its own (add_weight(name=...)): files and the reference find them by it",
    )  # fmt: skip
    shapes = [(subject.batch_size, size) for size in sizes]
    if hasattr(cell, "get_initial_state"):
        initial = keras.tree.flatten(cell.get_initial_state(batch_size=subject.batch_size))
        _require_tensors(findings, "get_initial_state(batch_size)", initial, shapes, cell.compute_dtype, "state_size")
    output, new_states = _one_step(subject, cell, findings)
    if output is not None:
        shape = [(subject.batch_size, output_size)]
        _require_tensors(findings, "output", [output], shape, cell.compute_dtype, "output_size")
        _require_tensors(findings, "new states", new_states, shapes, cell.compute_dtype, "state_size")
    if isinstance(cell, Cell):
        _require_structure(findings, cell, sizes)


def _one_step(subject: CellSubject, cell: Any, findings: Findings) -> tuple[Any, list[Any]]:
    returned = cell(subject.sequences()[:, 0], _states(subject, cell))
    if findings.require(
        isinstance(returned, (tuple, list)) and len(returned) == 2,
        "what call(inputs, states) returns", "a pair (output, new_states)", _kind(returned),
        "return the output and the list of new states",
    ):  # fmt: skip
        return returned[0], keras.tree.flatten(returned[1])
    return None, []


def _require_tensors(
    findings: Findings, what: str, tensors: list[Any], shapes: list[tuple[int, int]], dtype: str, size: str
) -> None:
    described = [_kind(tensor) for tensor in tensors]
    expected = [f"{dtype} of shape {shape}" for shape in shapes]
    remedy = f"make it agree with {size}, as (batch, {size}), in the cell's compute_dtype"
    findings.require(described == expected, what, ", ".join(expected), ", ".join(described), remedy)


def _require_structure(findings: Findings, cell: Cell, sizes: list[int]) -> None:
    """What `kerasrnn.cells.Cell` adds: names, and kernels that fit them."""
    findings.require(
        len(cell.state_names) == len(sizes), "state_names", f"a name for each of {len(sizes)} states", cell.state_names,
        "name each state once in state_names",
    )  # fmt: skip
    width = len(cell.gates) * cell.units
    expected = (sizes[0], width) if cell.recurrent else None
    received = None if cell.recurrent_kernel is None else tuple(cell.recurrent_kernel.shape)
    findings.require(
        received == expected, "recurrent_kernel", f"shape {expected}, states[0] by gates · units", f"shape {received}",
        "leave the kernels to kerasrnn.cells.Cell: build_pointwise creates what else there is",
    )  # fmt: skip


def _kind(value: Any) -> str:
    if isinstance(value, tf.Tensor):
        return f"{value.dtype.name} of shape {tuple(value.shape)}"
    return f"{type(value).__name__} {value!r}"[:120]


def _states(subject: CellSubject, cell: Any) -> list[Any]:
    sizes = keras.tree.flatten(cell.state_size)
    return [0.5 * subject.numbers((subject.batch_size, size), i) for i, size in enumerate(sizes, 1)]


@examination("each step equals the NumPy reference", "the reference takes and returns float64 NumPy arrays")
def equations(subject: CellSubject, findings: Findings) -> None:
    if subject.reference is None:
        raise DoesNotApply("no reference was given: write one in NumPy from the paper's equations")
    cell = subject.cell()
    weights = {name: w.numpy() for name, w in zip(weight_names(cell), cell.weights)}
    states = _states(subject, cell)
    for t, inputs in enumerate(tf.unstack(subject.sequences(), axis=1)):
        with findings.attempt("reference(inputs, states, weights)", f"weights are {[*weights]}, states a list of arrays"):
            output, new_states = subject.reference(inputs.numpy(), [s.numpy() for s in states], dict(weights))
            new_states = new_states if isinstance(new_states, (list, tuple)) else [new_states]
        if findings.failures:
            return
        # The next step begins at the cell's own states: one step is judged at a time.
        received, states = step(cell, inputs, states)
        remedy = "compare the equations of the cell and of the reference, gate by gate; one of them is wrong"
        findings.equal(f"output of step {t}", received, output, EXACT, remedy)
        if findings.require(len(new_states) == len(states), "states of the reference", len(states), len(new_states), remedy):
            for name, ours, theirs in zip(state_names(cell), states, new_states):
                findings.equal(f"state {name} after step {t}", ours, theirs, EXACT, remedy)
        if findings.failures:
            return


@examination("no row of a batch sees another", "the step must take any number of rows")
def rows(subject: CellSubject, findings: Findings) -> None:
    cell, inputs = subject.cell(), subject.sequences()[:, 0]
    states = _states(subject, cell)
    chosen = [subject.batch_size - 1, 0]
    whole, part = (
        step(cell, tf.gather(inputs, indices), [tf.gather(s, indices) for s in states])
        for indices in (list(range(subject.batch_size)), chosen)
    )
    remedy = f"rows {chosen} alone give other numbers than in the batch: reduce over axis -1 only, never over the batch"
    for name, alone, among in zip(["output", *(f"state {name}" for name in state_names(cell))],
                                  [part[0], *part[1]], [whole[0], *whole[1]]):  # fmt: skip
        findings.equal(name, alone, tf.gather(among, chosen), EXACT, remedy)


@examination("pointwise sees x and h only as their sum", "pointwise takes x, h and states as (batch, columns)")
def additive(subject: CellSubject, findings: Findings) -> None:
    cell = subject.cell()
    if not isinstance(cell, Cell) or not cell.has_one_recurrent_product:
        raise DoesNotApply("the scan does not run this cell")
    if cell.recurrent_kernel is None:
        raise DoesNotApply("there is no recurrent product")
    columns, states = cell.recurrent_kernel.shape[-1], _states(subject, cell)
    x, h = (subject.numbers((subject.batch_size, columns), stream) for stream in (11, 12))
    moved = subject.numbers((subject.batch_size, columns), 13)
    (output, new_states), (shifted, shifted_states) = (cell.pointwise(x + d, h - d, states) for d in (0 * moved, moved))
    differs = max(float(np.max(np.abs(a - b))) for a, b in zip([output, *new_states], [shifted, *shifted_states]))
    if not cell.additive:
        if differs < EXACT:
            findings.notes.append("pointwise sees only x + h: with `additive = True` the scan stores one sequence, not two")
        raise DoesNotApply("additive is False")
    remedy = "set additive = False, or use x and h only as x + h"
    for name, a, b in zip(["output", *state_names(cell)], [shifted, *shifted_states], [output, *new_states]):
        findings.equal(f"{name} from x + d and h − d", a, b, EXACT, remedy)


@examination("dropout acts in training, and not at inference", "dropout and recurrent_dropout are shares between 0 and 1")
def dropout(subject: CellSubject, findings: Findings) -> None:
    config = subject.original.get_config()
    named = [name for name in ("dropout", "recurrent_dropout") if name in config]
    if not named:
        raise DoesNotApply("the configuration has none")
    inputs, cell = subject.sequences()[:, 0], subject.cell()
    states = _states(subject, cell)
    expected, _ = step(cell, inputs, states)
    for name in named:
        if name == "recurrent_dropout" and not getattr(cell, "recurrent", True):
            continue
        dropping = subject.cell(**{name: config[name] or 0.5})
        findings.equal(
            f"output at inference with {name}", step(dropping, inputs, states)[0], expected, EXACT,
            "drop only where training is true",
        )  # fmt: skip
        # One draw may happen to drop nothing.
        drawn = []
        for _ in range(5):
            drawn.append(step(dropping, inputs, states, training=True)[0])
            getattr(dropping, "reset_dropout_mask", lambda: None)()
            getattr(dropping, "reset_recurrent_dropout_mask", lambda: None)()
        findings.require(
            any(np.any(output != expected) for output in drawn), f"output in training with {name}", "other numbers",
            "the numbers without", f"use {name} in call, or leave it out of the configuration",
        )  # fmt: skip
