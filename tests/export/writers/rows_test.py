"""Inputs of differing numbers of rows: every graph of ours names the input that does not fit, and none ends the process."""

import itertools
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasrnn
from kerasrnn.export import export_onnx, export_saved_model, runtime

MISMATCHES = list(itertools.permutations(range(4), 2))  # of one input, and of all others

# onnxruntime may end the process: it says beforehand what it is about to try.
PROGRAM = """
import json, sys
import numpy as np, onnxruntime
folder, mismatches = sys.argv[1], json.loads(sys.argv[2])
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
settings = {"prompt": ["ab", "c", ""], "max_new_tokens": [4, 3, 2], "temperature": [0.8, 0.5, 0], "top_k": [3, 0, 2],
    "top_p": [0.9, 1, 0.8], "min_p": [0, 0.1, 0], "repetition_penalty": [1.2, 1, 1.1], "stop": ["a", "", "b"],
    "seed": [1, 2, 3], "text": ["ab", "", "c"]}
types = {"tensor(string)": object, "tensor(int32)": "int32", "tensor(int64)": "int64", "tensor(float)": "float32",
    "tensor(bool)": bool}
for signature in sys.argv[3:]:
    session = onnxruntime.InferenceSession(f"{folder}/{signature}.onnx", options)
    values = {}
    for i in session.get_inputs():
        shape = [3, *(n if isinstance(n, int) else 4 for n in i.shape[1:])]
        values[i.name] = np.array(settings.get(i.name, np.ones(shape)), types[i.type])
    for rows in (0, 1, 3):
        print(json.dumps([signature, "", rows, rows]), flush=True)
        session.run(None, {name: value[:rows] for name, value in values.items()})
    for name in values if len(values) > 1 else ():
        for rows, others in mismatches:
            print(json.dumps([signature, name, rows, others]), flush=True)
            try:
                session.run(None, {n: v[: rows if n == name else others] for n, v in values.items()})
                print(json.dumps("accepted"))
            except Exception as error:
                print(json.dumps("named" if name in str(error) else str(error)))
"""


def check_onnx(folder, *signatures):
    """How many mismatches were refused."""
    arguments = [folder, json.dumps(MISMATCHES), *signatures]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (done.returncode, lines[-1:], done.stderr[-500:])
    tried = [line for line in lines if isinstance(line, list) and line[1]]
    answers = [line for line in lines if isinstance(line, str)]
    assert not [(case, answer) for case, answer in zip(tried, answers, strict=True) if answer != "named"]
    return len(tried)


def check_saved_model(folder, signature):
    function = tf.saved_model.load(folder).signatures[signature]
    specs = function.structured_input_signature[1]
    one = {tf.string: "a", tf.bool: True}
    values = {
        name: tf.fill([3, *(4 if n is None else n for n in spec.shape[1:])], tf.constant(one.get(spec.dtype, 1), spec.dtype))
        for name, spec in specs.items()
    }
    for rows in (0, 1, 3):
        function(**{name: value[:rows] for name, value in values.items()})
    for name, (rows, others) in itertools.product(values, MISMATCHES):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name}: expected one|for each (row of )?{name}"):
            function(**{n: v[: rows if n == name else others] for n, v in values.items()})


def test_graphs_of_a_language_model(onnx_folder):
    assert check_onnx(onnx_folder, "generate", "step", "score", "forward") == (9 + 5) * len(MISMATCHES)


@pytest.mark.parametrize("signature", ["generate", "step"])
def test_saved_model_of_a_language_model(saved_model_folder, signature):
    check_saved_model(saved_model_folder, signature)


def several_sequences():
    a, b = keras.Input((None, 3), name="a"), keras.Input((None, 3), name="b")
    return keras.Model([a, b], kerasrnn.layers.GRU(4, return_sequences=True)(keras.layers.Add()([a, b])))


def a_mask_and_a_vector():
    ids, mask = keras.Input((None,), dtype="int32", name="ids"), keras.Input((None,), dtype="bool", name="mask")
    vector = keras.Input((2,), name="vector")
    h = keras.layers.LSTM(4)(keras.layers.Embedding(5, 3)(ids), mask=mask)
    outputs = keras.layers.Dense(2)(keras.layers.Concatenate()([h, vector]))
    return keras.Model({"ids": ids, "mask": mask, "vector": vector}, {"out": outputs})


@pytest.mark.parametrize(
    ("build", "inputs"), [(several_sequences, {"forward": 2, "step": 3}), (a_mask_and_a_vector, {"forward": 3})]
)
def test_graphs_of_a_model_of_several_inputs(build, inputs, tmp_path):
    model = build()
    export_onnx(model, tmp_path / "onnx")
    assert check_onnx(tmp_path / "onnx", *inputs) == sum(inputs.values()) * len(MISMATCHES)
    serving = export_saved_model(model, tmp_path / "serving")
    for signature in inputs:
        check_saved_model(serving, signature)
    session = runtime.load(tmp_path / "onnx")
    specs = session.manifest["signatures"]["forward"]["inputs"]
    values = {spec["name"]: np.ones([3, *(4 if n is None else n for n in spec["shape"][1:])], spec["dtype"]) for spec in specs}
    for name, (rows, others) in itertools.product(values, MISMATCHES):
        with pytest.raises(ValueError, match=f"'{name}': {rows}"):
            session.forward(**{n: v[: rows if n == name else others] for n, v in values.items()})


def test_session_and_model_of_a_language_model(model, onnx_folder):
    session = runtime.load(onnx_folder)
    for name, value in {"temperature": [0.5], "top_k": [], "seed": [1, 2, 3], "max_new_tokens": [4], "stop": ["a"]}.items():
        if name != "max_new_tokens":  # the session's is one for all
            with pytest.raises(ValueError, match=f"^{name}: expected"):
                session.generate(["a", "b"], 4, **{name: value[:3] if len(value) != 1 else value * 3})
        with pytest.raises(ValueError, match=f"^{name}: expected"):
            model.generate(["a", "b"], **{name: value * 3 if len(value) == 1 else value})
