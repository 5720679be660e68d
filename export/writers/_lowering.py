"""Markers replaced: each recurrence as one native node or one Scan, safe on empty batches and sequences."""

import onnx
from onnx import TensorProto, helper

from kerasrnn.export.writers._cell_scan import CellStep, cell_scan
from kerasrnn.export.writers._compaction import compacted
from kerasrnn.export.writers._markers import DOMAIN, Marker
from kerasrnn.export.writers._native import native
from kerasrnn.export.writers._nodes import Nodes


def lower_markers(
    model: onnx.ModelProto, markers: dict[str, Marker], opset: int, guarded: bool = True, portable: bool = True
) -> None:
    """Replaces each marker by its nodes.

    Args:
        model: the converted model.
        markers: what stands for what.
        opset: of the model.
        guarded: whether batches or sequences may be empty.
        portable: whether other engines than onnxruntime are to compute the same.
    """
    nodes = []
    for node in model.graph.node:
        if node.domain != DOMAIN:
            nodes.append(node)
            continue
        name = helper.get_node_attr_value(node, "marker").decode()
        lowered = _lowered(name, markers[name], node, opset, guarded, portable)
        nodes.extend(lowered.nodes)
        model.graph.initializer.extend(lowered.weights)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    kept = [o for o in model.opset_import if o.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _lowered(name: str, marker: Marker, node: onnx.NodeProto, opset: int, guarded: bool, portable: bool) -> Nodes:
    run = Nodes(name)
    sequences, *given = node.input
    mask = given.pop() if marker.mask != "none" else None
    what = marker.what
    if isinstance(what, CellStep):
        outputs, last, states = cell_scan(run, what, opset, sequences, given, mask, marker.return_sequences)
        results = [outputs, last, *states]
    else:
        if mask is None:
            outputs, states = native(run, what, sequences, given)
        elif marker.mask == "right":
            lengths = run("ReduceSum", run("Cast", mask, to=TensorProto.INT32), run.constant([1]), keepdims=0)
            outputs, states = native(run, what, sequences, given, lengths)
        else:
            outputs, states = compacted(run, what, sequences, given, mask, portable)
        results = [outputs, *states]
    if not guarded:
        run.nodes.extend(helper.make_node("Identity", [a], [b]) for a, b in zip(results, node.output) if b)
        return run
    return _guarded(run, what, sequences, given, results, list(node.output))


def _guarded(run: Nodes, what: object, sequences: str, given: list[str], results: list[str], outputs: list[str]) -> Nodes:
    """onnxruntime aborts the process on an empty batch, and loses the state on no steps: the states pass by instead."""
    skip, guard = Nodes(f"{run.prefix}/skip"), Nodes(f"{run.prefix}/guard")
    size = what.output_size if isinstance(what, CellStep) else what.units  # type: ignore[attr-defined]
    batch_time = skip("Shape", sequences, start=0, end=2)
    skipped = [skip("ConstantOfShape", skip("Concat", batch_time, skip.constant([size]), axis=0))]
    if isinstance(what, CellStep):
        batch = skip("Shape", sequences, start=0, end=1)
        skipped.append(skip("ConstantOfShape", skip("Concat", batch, skip.constant([size]), axis=0)))
    skipped += [skip("Identity", state) for state in given]
    wanted = [i for i, name in enumerate(outputs) if name]

    def branch(name: str, nodes: Nodes, values: list[str]) -> onnx.GraphProto:
        values = [nodes("Identity", values[i]) for i in wanted]
        made = [helper.make_tensor_value_info(value, TensorProto.FLOAT, None) for value in values]
        return helper.make_graph(nodes.nodes, f"{run.prefix}/{name}", [], made)

    some = guard("Greater", guard("Size", sequences), guard.constant(0))
    branches = {"then_branch": branch("run", run, results), "else_branch": branch("pass_by", skip, skipped)}
    guard.nodes.append(helper.make_node("If", [some], [outputs[i] for i in wanted], **branches))
    guard.weights.extend([*run.weights, *skip.weights])
    return guard
