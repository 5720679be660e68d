"""Numbers at the edge of their types: every setting, in every implementation that takes it."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from onnx import numpy_helper
from uneven_models import uneven_model

import kerasrnn
from kerasrnn._portable.arguments import COUNT, GENERATE_INPUTS, SETTINGS
from kerasrnn.export.runtime import load
from kerasrnn.samplers import Sampler

FORMS = ["keras", "stream", "generate", "step", "sampler"]
TINY32 = float(np.finfo(np.float32).smallest_subnormal)
REFUSED = {
    "temperature": [-TINY32, -1, np.inf, np.nan, 1.1e10, 3e38, 1e39, 1e300, 10**400, "1", None, 1j],
    "top_k": [-1, 2**31, 2**32 + 1, 2**63, 2**64 + 1, -(2**32) + 1, 1.0, np.nan, True],
    "top_p": [0, TINY32, 1e-39, 1e-11, 1.0001, np.nan, -1, np.inf],
    "min_p": [-TINY32, 1.0001, np.nan, np.inf],
    "repetition_penalty": [0, TINY32, 1e-45, 1e-39, 1e-11, 1e11, 1e39, np.inf, np.nan, -1],
    "seed": [2**63, -(2**63) - 1, 2**64, 1.0, np.uint64(2**63), np.inf, True],
    "max_new_tokens": [0, -1, 2**31, 2**32 + 1, 2**64, 1.0, True, np.nan],
}
TAKEN = {
    "temperature": [0, TINY32, 1e-39, 1e-30, 1e-20, 1e-10, 1e10],
    "top_k": [0, 1, 2**31 - 1],
    "top_p": [1e-10, 1, 0.5],
    "min_p": [0, TINY32, 1e-39, 1],
    "repetition_penalty": [1e-10, 1, 1e10],
    "seed": [-(2**63), -1, 2**63 - 1],
}
EXTREMES = [
    {"temperature": temperature, "repetition_penalty": penalty, "top_p": top_p, "min_p": min_p, "seed": 3}
    for temperature in (1e-39, 1e-20, 1e10)
    for penalty in (1e-10, 1e10)
    for top_p, min_p in ((1e-10, 0), (1, TINY32), (1, 1))
]


@pytest.fixture(scope="module")
def model():
    return uneven_model(3)


@pytest.fixture(scope="module")
def write(model, tmp_path_factory):
    """Writes a text with settings, in each form."""
    folder = model.export(tmp_path_factory.mktemp("ranges") / "onnx", format="onnx")
    session = load(folder)

    def sampler(prompt, max_new_tokens=5, seed=0, **settings):
        return model.generate(prompt, max_new_tokens, seed=seed, sampler=Sampler(**settings))

    return {
        "keras": model.generate,
        "stream": lambda *arguments, **settings: "".join(model.generate(*arguments, **settings, stream=True)),
        "generate": session.generate,
        "step": lambda *arguments, **settings: "".join(session.stream(*arguments, **settings)),
        "sampler": sampler,
    }, folder


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", REFUSED)
def test_what_no_type_holds_is_refused_by_name(write, form, name):
    for value in REFUSED[name]:
        with pytest.raises(ValueError, match=f"^{name}: expected .*; received"):
            write[0][form]("the ", **{"max_new_tokens": 5, name: value})


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_in_range_writes_the_same_in_every_form(write, name):
    for value in TAKEN[name]:
        texts = {form: write[0][form]("the ", 12, **{"seed": 3, name: value}) for form in FORMS}
        assert len({*texts.values()}) == 1, (value, texts)


@pytest.mark.parametrize("settings", EXTREMES, ids=str)
def test_extremes_together_write_the_same_in_every_form(write, settings):
    texts = {form: write[0][form]("the ", 12, **settings) for form in FORMS}
    assert len({*texts.values()}) == 1 and "\ufffd" not in texts["keras"], texts


@pytest.mark.parametrize("name", [*SETTINGS, "max_new_tokens"])
def test_graphs_refuse_what_the_runtime_refuses(model, write, name):
    allowed = SETTINGS.get(name, COUNT)
    session = onnxruntime.InferenceSession(write[1] / "generate.onnx")
    function = model.text_functions()["generate"][0]
    for value in REFUSED[name]:
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                typed = np.array([value], allowed.dtype)
            except (OverflowError, TypeError, ValueError):
                continue  # the type itself refuses it
        # TensorFlow takes a subnormal number for 0.
        if allowed.holds(typed).all() or allowed.holds(0) and abs(typed[0]) < 1e-38 or isinstance(value, (str, float)) and typed.dtype.kind == "i":
            continue
        inputs = {n: np.array([v], d) for (n, d), v in zip(GENERATE_INPUTS.items(), ("", 3, 1, 0, 1, 0, 1, "", 1))}
        inputs[name] = typed
        with pytest.raises(Exception, match=f"{name}: expected"):
            session.run(None, inputs)
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name}: expected"):
            function(*(tf.constant(v, tf.string if v.dtype == object else v.dtype) for v in inputs.values()))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("token_ids", [[2**32 + 1]], "token_ids: expected"), ("token_ids", [[-(2**32) + 1]], "token_ids: expected"),
     ("state_0_h", np.full((1, 8), 1e300), "state_0_h: expected numbers that float32 holds; received 1e.300"),
     ("state_0_h", np.full((1, 8), np.nan), "state_0_h: expected finite"),
     ("state_0_h", np.full((1, 8), "x"), "state_0_h: expected float32; received"),
     ("state_0_h", [[None] * 8], "state_0_h: expected float32; received"),
     ("state_0_h", [[1.0], [2.0, 3.0]], "state_0_h: expected float32"),
     ("state_0_h", [[10**400] * 8], "state_0_h: expected float32; received")],
)  # fmt: skip
def test_inputs_of_step_do_not_go_round(write, name, value, message):
    session = load(write[1])
    inputs = {"token_ids": [[1]], **session.initial_states(1), name: value}
    with pytest.raises(ValueError, match=f"^{message}"):
        session.step(**inputs)


def test_token_ids_do_not_go_round_in_keras(model):
    for token_ids in (np.array([[2**32 + 1]]), np.array([[2**63]], np.uint64)):
        with pytest.raises(ValueError, match="token_ids: expected values in"):
            model(token_ids)


def poisoned(model, value):
    copy = keras.models.clone_model(model)
    copy(np.zeros((1, 1), "int32"))
    for weight in copy.weights:
        weight.assign(np.full(weight.shape, value) if "bias" in weight.path else weight)
    return copy


def poison(graph, value):
    """Puts a value in the place of each large constant of an ONNX graph, those of its loops too."""
    for node in graph.node:
        for attribute in node.attribute:
            poison(attribute.g, value)
    for tensor in [*graph.initializer, *(a.t for node in graph.node for a in node.attribute if a.t.dims)]:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.size > 50:
            tensor.CopyFrom(numpy_helper.from_array(np.full_like(array, value), tensor.name))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("temperature", [0, 1])
def test_a_model_of_nan_writes_no_text(model, write, value, temperature):
    bad, settings = poisoned(model, value), {"temperature": temperature, "seed": 1, "max_new_tokens": 9}
    for stream in (False, True):
        with pytest.raises(ValueError, match="^logits: expected finite numbers; received NaN or infinity"):
            "".join(bad.generate("the ", **settings, stream=stream))
    with pytest.raises(ValueError, match="^logits: expected finite numbers"):
        bad.generate("the ", sampler="beam_search")
    with pytest.raises(ValueError, match="^logits: expected finite numbers"):
        bad.score("the cat")
    inputs = {n: np.array([v], d) for (n, d), v in zip(GENERATE_INPUTS.items(), ("the ", 9, temperature, 0, 1, 0, 1, "", 1))}
    with pytest.raises(tf.errors.InvalidArgumentError, match="logits: expected finite numbers"):
        bad.text_functions()["generate"][0](*(tf.constant(v, tf.string if v.dtype == object else v.dtype) for v in inputs.values()))
    session = load(write[1])
    for name in ("generate", "step"):
        graph = onnx.load(write[1] / f"{name}.onnx")
        poison(graph.graph, value)
        session._sessions[name] = onnxruntime.InferenceSession(graph.SerializeToString())
    with pytest.raises(Exception, match="logits: expected finite numbers"):
        session._sessions["generate"].run(None, inputs)
    for write_on in (session.generate, lambda *a, **s: "".join(session.stream(*a, **s)), lambda *a, **s: session.score("the")):
        with pytest.raises(ValueError, match="^logits: expected finite numbers"):
            write_on("the ", **settings)
