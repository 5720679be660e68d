"""The draw in ONNX against the runtime's NumPy, which tests/samplers holds equal to TensorFlow's."""

import numpy as np
import onnxruntime
import pytest
import spox
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.export.runtime import sampling
from kerasrnn.export.writers import _onnx_sampling
from kerasrnn.export.writers._hoisting import hoist_invariants
from kerasrnn.export.writers._onnx_sampling import Sampler, uniform

DTYPES = {
    "temperature": np.float32, "top_k": np.int64, "top_p": np.float32, "min_p": np.float32,
    "repetition_penalty": np.float32, "seed": np.int64,
}  # fmt: skip
VOCABULARY = 30


def session(inputs, outputs):
    return onnxruntime.InferenceSession(spox.build(inputs, outputs).SerializeToString())


@pytest.fixture(scope="module", params=[5, 256], ids="{} in order at first".format)
def sampler(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_onnx_sampling, "_FEW", request.param)
        return _sampler()


def _sampler():
    rows = {name: spox.argument(spox.Tensor(dtype, ("batch",))) for name, dtype in DTYPES.items()}
    logits = spox.argument(spox.Tensor(np.float32, ("batch", VOCABULARY)))
    seen = spox.argument(spox.Tensor(np.bool_, ("batch", VOCABULARY)))
    step = spox.argument(spox.Tensor(np.int64, ()))
    token = Sampler(**rows, vocabulary_size=VOCABULARY)(logits, seen, step)
    return session({**rows, "logits": logits, "seen": seen, "step": step}, {"token": token})


def test_numbers_are_the_runtimes_bit_for_bit():
    seed, step = spox.argument(spox.Tensor(np.int64, ("batch",))), spox.argument(spox.Tensor(np.int64, ()))
    ours = session({"seed": seed, "step": step}, {"u": uniform(seed, step)})
    seeds = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 10_000)
    seeds[:4] = [0, -1, 2**63 - 1, -(2**63)]
    for t in (0, 1, 199, 2**31):
        (received,) = ours.run(None, {"seed": seeds, "step": np.array(t)})
        np.testing.assert_array_equal(received, sampling.uniform(seeds, t))


@settings(deadline=None, max_examples=200)
@given(st.data(), st.integers(0, 2**32), st.integers(0, 10_000))
def test_rows_with_settings_of_their_own_draw_as_in_numpy(sampler, data, seed, step):
    random = np.random.default_rng(seed)
    rows = data.draw(st.integers(1, 4))
    choices = {
        "temperature": st.sampled_from([0.0, 1e-45, 1e-40, 1e-30, 0.3, 1.0, 2.0]), "top_k": st.sampled_from([0, 1, 3, 29, 30, 99]),
        "top_p": st.sampled_from([0.01, 0.5, 0.9, 1.0]), "min_p": st.sampled_from([0.0, 0.1, 0.9, 1.0]),
        "repetition_penalty": st.sampled_from([0.5, 1.0, 1.3]), "seed": st.integers(-(2**63), 2**63 - 1),
    }  # fmt: skip
    given_settings = {
        name: np.array(data.draw(st.lists(choice, min_size=rows, max_size=rows)), DTYPES[name])
        for name, choice in choices.items()
    }
    logits = random.normal(0, 3, (rows, VOCABULARY)).astype(np.float32)
    logits[:, 0] = -np.inf
    if data.draw(st.booleans()):
        logits = np.round(logits)  # ties
    seen = random.random((rows, VOCABULARY)) < 0.3
    (received,) = sampler.run(None, {**given_settings, "logits": logits, "seen": seen, "step": np.array(step)})
    np.testing.assert_array_equal(received, sampling.next_token(logits=logits, seen=seen, step=step, **given_settings))


def test_what_no_iteration_changes_leaves_its_loop_and_the_result_stays():
    import spox.opset.ai.onnx.v20 as op

    x, n = spox.argument(spox.Tensor(np.float32, (3,))), spox.argument(spox.Tensor(np.int64, ()))

    def body(i, _, total):
        constant = op.exp(op.neg(x))  # the same each time
        (branch,) = op.if_(
            op.less(i, op.const(np.array(2))),
            then_branch=lambda: [op.add(total, op.sin(constant))],
            else_branch=lambda: [op.sub(total, constant)],
        )
        return [op.const(np.array([True])), branch]

    (total,) = op.loop(n, v_initial=[op.sub(x, x)], body=body)
    model = spox.build({"x": x, "n": n}, {"total": op.reshape(total, op.const(np.array([3])))})
    feed = {"x": np.array([0.1, 0.2, 0.3], np.float32), "n": np.array(5)}
    before = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feed)
    hoist_invariants(model.graph)
    (loop,) = (node for node in model.graph.node if node.op_type == "Loop")
    outside = [node.op_type for node in model.graph.node]
    assert {"Neg", "Exp", "Sin"} <= set(outside) and outside.index("Exp") < outside.index("Loop")
    inside = [node.op_type for node in loop.attribute[0].g.node]
    assert "If" in inside and "Less" in inside and "Exp" not in inside
    np.testing.assert_array_equal(onnxruntime.InferenceSession(model.SerializeToString()).run(None, feed), before)
