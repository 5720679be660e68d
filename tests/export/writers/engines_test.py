"""The zoo in other engines than onnxruntime: onnx's reference evaluator and OpenVINO give the same numbers.

What each lacks: neither has com.microsoft's 8-bit nodes nor strings, so that quantised models, generate.onnx and score.onnx
are onnxruntime's; neither minds `sequence_lens` where dimensions are dynamic, which is why masks do without (`_compaction.py`).
Neither minds the parameters of a native node's activations, as hard_sigmoid's 1/6, nor OpenVINO peepholes, nor the reference
any activation but the default ones. OpenVINO 2026.4 computes a Conv1D wrongly the first time that it sees a shape, and
rightly when the same call is repeated. All without a word, so look for it.
"""

import numpy as np
import onnx.reference
import pytest
from zoo import ZOO, batches, converted

from kerasrnn._backend import keras, tf
from kerasrnn.export.writers._convert import convert
from kerasrnn.export.writers._signatures import signatures_of


def by_reference(proto):
    session = onnx.reference.ReferenceEvaluator(proto)
    return lambda names, batch: session.run(names, batch)


def by_openvino(proto):
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install -e '.[dev]'")
    core = openvino.Core()
    model = core.compile_model(core.read_model(proto.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda names, batch: [model(batch)[name] for name in names]


def lacking(name, engine):
    """What an engine is known to lack for a model, if anything."""
    if "GRU" in ZOO[name].nodes and name.startswith("GRU ") and name[4:] in dir(keras.activations):
        return "parameters of activations"
    return "peepholes" if "peepholes" in name and engine is by_openvino else None


def cases():
    for name, exhibit in ZOO.items():
        for engine in (by_reference, by_openvino):
            reason = lacking(name, engine)
            marks = [] if exhibit.fast else [pytest.mark.slow]
            marks += [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            if not exhibit.loops:
                yield pytest.param(name, engine, marks=marks, id=f"{name} {engine.__name__}")


@pytest.mark.filterwarnings("ignore:overflow encountered in exp")  # in the reference evaluator's own sigmoid
@pytest.mark.parametrize(("name", "engine"), [*cases()])
def test_another_engine_computes_what_keras_does(name, engine):
    keras.utils.set_random_seed(1)
    model = ZOO[name].build()
    forward, proto = converted(model)
    run = engine(proto)
    for batch in batches(forward.inputs):
        given = [tf.constant(batch[spec.name]) for spec in forward.inputs]
        expected = keras.tree.flatten(model(keras.tree.pack_sequence_as(model.input, given)))
        if name == "much around" and engine is by_openvino:
            run(forward.outputs, batch)  # its Conv1D: see above
        for output, value, received in zip(forward.outputs, expected, run(forward.outputs, batch), strict=True):
            assert received.shape == value.shape
            np.testing.assert_allclose(received, value, atol=2e-5 * max(1, np.abs(value).max()), err_msg=output)


@pytest.mark.filterwarnings("ignore:overflow encountered in exp")
@pytest.mark.parametrize("engine", [by_reference, by_openvino])
def test_steps_carry_their_states_in_another_engine(engine):
    keras.utils.set_random_seed(1)
    model = ZOO["stack of three masked"].build()
    forward, step = signatures_of(model).values()
    run = engine(convert(model, step.function, step.inputs))
    x = np.random.default_rng(0).standard_normal((3, 9, 4)).astype("float32")
    x[0, :3], x[1, 4:7], x[2, -2:] = 0, 0, 0  # masked
    states = {spec.name: np.zeros((3, spec.shape[1]), "float32") for spec in step.inputs[1:]}
    pieces = []
    for part in (slice(0, 2), slice(2, 5), slice(5, 9)):
        values = dict(zip(step.outputs, run(step.outputs, {"x": x[:, part], **states}), strict=True))
        states = {name: values[f"next_{name}"] for name in states}
        pieces.append(values[forward.outputs[0]])
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), model(x)[0], atol=2e-5)
