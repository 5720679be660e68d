"""Moves out of an ONNX loop what is the same in every iteration: spox puts each node where it is used."""

from collections.abc import Iterator

import onnx


def hoist_invariants(graph: onnx.GraphProto) -> None:
    """Moves nodes of loop bodies, and of the branches in them, before their loop if nothing in it changes their inputs."""
    nodes = []
    for node in graph.node:
        for body in _subgraphs(node):
            hoist_invariants(body)
            if node.op_type == "Loop":
                nodes.extend(_take_invariants(body, {value.name for value in body.input}))
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _take_invariants(graph: onnx.GraphProto, changing: set[str]) -> list[onnx.NodeProto]:
    """Removes and returns the nodes that depend on none of the names `changing`, to which those that stay are added."""
    taken, kept = [], []
    results = {value.name for value in graph.output}
    for node in graph.node:
        branches = list(_subgraphs(node))
        # A graph must compute its own results; and a node with branches stays, so that only what is taken is computed.
        if not branches and not changing.intersection(node.input) and not results.intersection(node.output):
            taken.append(node)
            continue
        kept.append(node)
        changing.update(node.output)
        for branch in branches:
            taken.extend(_take_invariants(branch, changing | {value.name for value in branch.input}))
    del graph.node[:]
    graph.node.extend(kept)
    return taken


def _subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    return (attribute.g for attribute in node.attribute if attribute.HasField("g"))
