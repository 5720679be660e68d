"""Every model of the zoo in ONNX: native nodes or one Scan, and Keras's numbers over batches, lengths and masks."""

import subprocess
import sys
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from zoo import FEATURES, ZOO, batches, converted

from kerasrnn._backend import keras, tf


def recurrent_nodes(graph):
    """The recurrent nodes of a graph and its subgraphs, and the products within the bodies of its Scans."""
    found, products = Counter(), 0
    for node in graph.node:
        found[node.op_type] += node.op_type in ("LSTM", "GRU", "RNN", "Scan", "Loop")
        for attribute in node.attribute:
            if attribute.HasField("g"):
                inner, inner_products = recurrent_nodes(attribute.g)
                found += inner
                products += inner_products + (node.op_type == "Scan") * sum(n.op_type == "MatMul" for n in attribute.g.node)
    return +found, products


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if e.fast else pytest.mark.slow) for n, e in ZOO.items()])
def test_it_computes_what_keras_does(name):
    keras.utils.set_random_seed(1)
    exhibit, model = ZOO[name], ZOO[name].build()
    random = np.random.default_rng(2)
    model.set_weights([w + 0.1 * random.standard_normal(w.shape) ** 2 for w in model.get_weights()])
    forward, proto = converted(model)
    found, _ = recurrent_nodes(proto.graph)
    if exhibit.loops:
        found.pop("Loop")
    assert found == exhibit.nodes
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch in batches(forward.inputs):
        given = [tf.constant(batch[spec.name]) for spec in forward.inputs]
        expected = keras.tree.flatten(model(keras.tree.pack_sequence_as(model.input, given)))  # not traced: as Keras has it
        received = dict(zip(forward.outputs, session.run(forward.outputs, batch), strict=True))
        for output, value in zip(forward.outputs, expected, strict=True):
            assert received[output].shape == value.shape
            np.testing.assert_allclose(received[output], value, atol=2e-5 * max(1, np.abs(value).max()), err_msg=output)


@pytest.mark.parametrize("name", ["LayerNormLSTM", "GRU silu", "MinGRU"])
def test_products_with_the_input_leave_the_scan(name):
    _, proto = converted(ZOO[name].build())
    _, inside = recurrent_nodes(proto.graph)
    assert inside == {"MinGRU": 0}.get(name, 1)


@pytest.mark.parametrize(("rows", "steps"), [(0, 3), (2, 0), (0, 0)])
@pytest.mark.parametrize("name", ["nested masked", "LSTM masked return_sequences return_state"])
def test_empty_batches_and_sequences_pass_the_states_by(name, rows, steps, tmp_path):
    model = ZOO[name].build()
    _, proto = converted(model)
    onnx.save(proto, tmp_path / "model.onnx")
    program = (
        "import sys, numpy as np, onnxruntime\n"
        "session = onnxruntime.InferenceSession(sys.argv[1])\n"
        f"outputs, *states = session.run(None, {{'x': np.zeros(({rows}, {steps}, {FEATURES}), np.float32)}})\n"
        f"assert outputs.shape[:2] == ({rows}, {steps}), outputs.shape\n"
        f"assert all(s.shape[0] == {rows} and not s.any() for s in states)\n"
    )
    # In a process of its own, which onnxruntime may abort.
    command = [sys.executable, "-c", program, tmp_path / "model.onnx"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
