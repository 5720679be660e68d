"""The gRPC client, and an exported model behind Serving's protocol: texts, states from call to call, versions, errors."""

import json
import re
import subprocess
import sys

import grpc
import numpy as np
import pytest
import tensorflow as tf
from examples.clients.prediction_service import serve
from google.protobuf import text_format
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

CLIENT = "examples/clients/grpc/generate.py"
CASES = [
    {"prompt": "the cat", "temperature": 0}, {"prompt": "", "seed": -(2**63)},
    {"prompt": "Ω“未🐋\n", "seed": 3, "stop": "the "},
    {"prompt": "a dog", "seed": 4, "temperature": 1.3, "top_k": 9, "top_p": 0.95, "min_p": 0.05, "repetition_penalty": 1.1},
]  # fmt: skip


@pytest.fixture(scope="module")
def name(saved_model_folder):
    """The model's name, from the configuration that was exported with it."""
    text = (saved_model_folder.parent / "models.config").read_text()
    (config,) = text_format.Parse(text, ModelServerConfig()).model_config_list.config
    return config.name


@pytest.fixture(scope="module")
def server(name, saved_model_folder):
    with serve({name: saved_model_folder.parent}) as address:
        yield address


@pytest.fixture(scope="module")
def run(request):
    """Runs the client, without kerasrnn and Keras."""

    def run(*arguments):
        without = "import runpy, sys; sys.modules['kerasrnn'] = sys.modules['keras'] = None; del sys.argv[0]; "
        program = f"{without}runpy.run_path(sys.argv[0], run_name='__main__')"
        command = [sys.executable, "-c", program, request.config.rootpath / CLIENT, *arguments]
        return subprocess.run([*map(str, command)], capture_output=True, encoding="utf-8", check=False)

    return run


@pytest.fixture(scope="module")
def stub(server):
    with grpc.insecure_channel(server) as channel:
        yield PredictionServiceStub(channel)


def request_of(name, signature, inputs):
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def arrays(response):
    return {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_client_writes_what_the_model_writes(run, model, server, name, case):
    options = [f"--{key.replace('_', '-')}={value}" for key, value in case.items()]
    process = run(f"--server={server}", f"--model={name}", *options, "--max-new-tokens=60")
    assert process.stdout == model.generate(**case, max_new_tokens=60) + "\n", process.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--top-p=0"], "INVALID_ARGUMENT: .*top_p: expected"), (["--model=other"], "NOT_FOUND: .*other"),
     (["--server=127.0.0.1:1"], "127.0.0.1:1: UNAVAILABLE"), (["--seed=x"], "argument --seed: invalid int64")],
)  # fmt: skip
def test_the_client_says_what_is_wrong(run, server, name, options, message):
    process = run(f"--server={server}", f"--model={name}", *options)
    assert process.returncode > 0 and process.stdout == ""
    assert "Traceback" not in process.stderr
    assert re.search(message, process.stderr, re.DOTALL), process.stderr


def test_states_go_from_call_to_call(stub, name, model):
    token_ids = np.random.default_rng(0).integers(0, model.vocabulary_size, (3, 12), np.int32)
    states = {key: state.numpy() for key, state in zip(model.state_names, model.get_initial_state(3))}
    logits = []
    for t in range(12):
        outputs = arrays(stub.Predict(request_of(name, "step", {"token_ids": token_ids[:, t : t + 1], **states})))
        states = {key: outputs[f"next_{key}"] for key in states}
        logits.append(outputs["logits"])
    np.testing.assert_allclose(np.concatenate(logits, axis=1), model(token_ids), atol=1e-5)


def test_no_signature_name_is_generate(stub, name, model):
    settings = {"temperature": np.float32([0.7, 1]), "top_k": np.int32([0, 4]), "seed": np.int64([1, 2])}
    others = {"top_p": np.float32([1, 1]), "min_p": np.float32([0, 0]), "repetition_penalty": np.float32([1, 1])}
    lengths = {"max_new_tokens": np.int32([30, 30])}
    inputs = {"prompt": ["the cat", "“"], "stop": ["", "the "], **lengths, **settings, **others}
    response = stub.Predict(request_of(name, "", inputs))
    texts = model.generate(["the cat", "“"], max_new_tokens=30, stop=["", "the "], **settings)
    assert [text.decode() for text in response.outputs["text"].string_val] == texts
    assert (response.model_spec.signature_name, response.model_spec.version.value) == ("serving_default", 1)


def test_the_server_answers_every_warm_up_request(stub, name, saved_model_folder):
    records = tf.data.TFRecordDataset(str(saved_model_folder / "assets.extra/tf_serving_warmup_requests"))
    requests = [PredictionLog.FromString(record.numpy()).predict_log.request for record in records]
    assert len(requests) == 10
    for request in requests:
        request.model_spec.name = name
        assert arrays(stub.Predict(request))


@pytest.mark.parametrize(
    ("signature", "inputs", "code"),
    [("nothing", {}, "FAILED_PRECONDITION"), ("score", {}, "INVALID_ARGUMENT"),
     ("score", {"text": [""], "more": [1]}, "INVALID_ARGUMENT"), ("score", {"text": np.int32([1])}, "INVALID_ARGUMENT"),
     ("forward", {"token_ids": np.int64([[1]])}, "INVALID_ARGUMENT")],
)  # fmt: skip
def test_requests_that_do_not_fit_are_refused(stub, name, signature, inputs, code):
    with pytest.raises(grpc.RpcError) as error:
        stub.Predict(request_of(name, signature, inputs))
    assert error.value.code().name == code


def test_the_newest_version_is_served_as_soon_as_it_has_its_name(saved_model_folder, tmp_path):
    def served(version=None):
        request = request_of("moby", "score", {"text": ["the cat"]})
        if version is not None:
            request.model_spec.version.value = version
        return stub.Predict(request).model_spec.version.value

    (tmp_path / "9").symlink_to(saved_model_folder)
    (tmp_path / ".10.incomplete").symlink_to(saved_model_folder)
    (tmp_path / "models.config").touch()
    with serve({"moby": tmp_path}) as address, grpc.insecure_channel(address) as channel:
        stub = PredictionServiceStub(channel)
        assert served() == 9
        (tmp_path / ".10.incomplete").rename(tmp_path / "10")
        assert served() == 10
        assert served(version=9) == 9
        (tmp_path / "10").unlink()  # the way back
        assert served() == 9


def test_the_rest_requests_of_the_guide_fit_their_signatures(stub, name, saved_model_folder, request):
    guide = (request.config.rootpath / "docs" / "serving.md").read_text(encoding="utf-8")
    bodies = [json.loads(body) for body in re.findall(r"-d '(.*?)'", guide, re.DOTALL)]
    signatures = json.loads((saved_model_folder / "manifest.json").read_text())["signatures"]
    assert [set(body) for body in bodies] == [{"instances"}, {"signature_name", "inputs"}]
    for body in bodies:
        rows = body.get("instances", [])
        columns = body.get("inputs") or {key: [row[key] for row in rows] for key in rows[0]}
        signature = body.get("signature_name", "generate")
        dtypes = {spec["name"]: spec["dtype"] for spec in signatures[signature]["inputs"]}
        # Serving takes a whole number for a float, and nothing else for an integer.
        assert all(isinstance(value, int) for key, values in columns.items() for value in values if "int" in dtypes[key])
        inputs = {key: np.array(v, object if dtypes[key] == "string" else dtypes[key]) for key, v in columns.items()}
        assert arrays(stub.Predict(request_of(name, signature, inputs)))
