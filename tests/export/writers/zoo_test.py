"""Every model of the zoo in ONNX: native nodes or one Scan, and Keras's numbers over batches, lengths and masks."""

import subprocess
import sys
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from zoo import FEATURES, ZOO

from kerasrnn._backend import keras, tf
from kerasrnn.export.writers._convert import convert
from kerasrnn.export.writers._model_io import forward_signature


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


def batches(specs):
    """Inputs of several sizes, with steps of zeros at the right, the left, within, and all over a row."""
    random = np.random.default_rng(0)
    for rows, steps in ((1, 1), (3, 2), (4, 9)):
        batch = {}
        for spec in specs:
            shape = [rows, *(steps if n is None else n for n in spec.shape[1:])]
            value = random.integers(1, 7, shape) if spec.dtype.is_integer else random.standard_normal(shape)
            if len(shape) > 1 and shape[1] > 2 and rows > 1:
                value[0, -2:], value[1, :2], value[2, 1] = 0, 0, 0
                value[-1] *= rows == 3
            batch[spec.name] = value.astype(spec.dtype.as_numpy_dtype)
        yield batch


def converted(model):
    """The model's signature, and the ONNX model of it."""
    forward = forward_signature(model)
    return forward, convert(model, forward.function, forward.inputs)


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
