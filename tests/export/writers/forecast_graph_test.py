"""forecast, in ONNX, SavedModel and the runtime, beside the paths that Keras draws and those of the equations in NumPy."""

import json
import subprocess
import sys

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from forecasters import forecaster, future_of, reference_paths, windows_of

import kerasrnn.export
from kerasrnn.cells import GRUCell
from kerasrnn.export.runtime import load
from kerasrnn.export.writers import _forecast_proof
from kerasrnn.export.writers._forecast_graph import forecast_graph
from kerasrnn.export.writers._forecast_signature import forecast_signature
from kerasrnn.export.writers._plain_tensorflow import plain_tensorflow
from kerasrnn.export.writers._verification import ParityError
from kerasrnn.models import Forecaster


def requests(model):
    """Below the horizon, at it and above; of one path and many; of no row, one, and several that ask for the same or not."""
    h = model.horizon
    asked = [
        ([1], [1], [0]), ([h, h], [3, 3], [-1, 2**62]), ([2 * h + 1], [40], [7]), ([1, h + 1, h], [9, 2, 5], [1, 1, 1]),
        ([], [], []),
    ]  # fmt: skip
    for steps, num_paths, seeds in asked:
        rows, most = len(steps), max(steps, default=1)
        named = {"past": windows_of(model, rows), "covariates": future_of(model, rows, -(-most // h) * h)}
        per_row = {"steps": np.array(steps, np.int32), "num_paths": np.array(num_paths, np.int32)}
        yield {k: v for k, v in named.items() if v.shape[2]} | per_row | {"seed": np.array(seeds, np.int64)}


def in_keras(model):
    function = forecast_signature(model).traced()
    names = [spec.name for spec in model.path_sampler.inputs]
    return lambda inputs: {k: v.numpy() for k, v in function(*(tf.constant(inputs[name]) for name in names)).items()}


def in_onnx(graph):
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda inputs: dict(zip(("paths", "quantiles"), session.run(["paths", "quantiles"], inputs)))


def assert_same(expected, received):
    for name, value in expected.items():
        assert received[name].dtype == np.float32
        np.testing.assert_allclose(received[name], value, rtol=2e-3, atol=2e-4)  # NaN where there is NaN


def assert_of_the_model(model, inputs, outputs):
    """Each row as Keras's own methods have it, and NaN beyond what it asked for."""
    for row, (steps, count) in enumerate(zip(inputs["steps"], inputs["num_paths"])):
        past, seed = inputs["past"][row : row + 1], [inputs["seed"][row]]
        known = inputs["covariates"][row : row + 1] if model.covariates else None
        paths = model.predict_paths(past, steps, known, num_paths=count, seed=seed)
        assert_same({"paths": paths[0]}, {"paths": outputs["paths"][row, :count, :steps]})
        assert np.isnan(outputs["paths"][row, count:]).all() and np.isnan(outputs["paths"][row, :, steps:]).all()
        assert np.isnan(outputs["quantiles"][row, steps:]).all()
        quantiles = outputs["quantiles"][row, :steps]
        assert quantiles.shape == (steps, model.channels, len(model.quantiles)) and np.isfinite(quantiles).all()
        if steps <= model.horizon and model.output_kind == "quantile":
            assert_same({"own": model.predict_multi_step(past, steps)[0]}, {"own": quantiles})
        beyond = paths[0, :, model.horizon :]
        expected = np.quantile(beyond, model.quantiles, axis=0, method="weibull") if beyond.size else beyond
        if beyond.size:
            np.testing.assert_allclose(quantiles[model.horizon :], np.moveaxis(expected, 0, -1), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("seed", [0, 4, 5, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 46))])
def test_onnx_draws_keras_paths(seed):
    model = forecaster(seed)
    reference, candidate = in_keras(model), in_onnx(forecast_graph(model))
    for inputs in requests(model):
        expected = reference(inputs)
        assert_same(expected, candidate(inputs))
        assert_of_the_model(model, inputs, expected)


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory):
    """A model with all that there is, and both its artefacts."""
    options = {"horizon": 3, "channels": 2, "covariates": 1, "lags": 9, "normalization": "standard"}
    model = Forecaster([GRUCell(5)], output="gaussian", quantiles=(0.05, 0.5, 0.95), **options)
    model.adapt(np.random.default_rng(0).normal(size=(50, 2)) + 4)
    folder = tmp_path_factory.mktemp("forecaster")
    return model, model.export(folder / "onnx", format="onnx"), model.export(folder / "serving")


def test_the_runtime_the_saved_model_and_numpy_draw_the_same_paths(artefacts):
    model, onnx_folder, version = artefacts
    session = load(onnx_folder)
    about = session.manifest["forecast"]
    assert about == {"horizon": 3, "channels": 2, "covariates": 1, "levels": [0.05, 0.5, 0.95]}
    assert {c["signature"] for c in session.manifest["parity"]["checks"]} == {"forward", "step", "forecast"}
    with plain_tensorflow(version) as process:
        for inputs in requests(model):
            given = {name: inputs[name] for name in ("steps", "num_paths", "seed", "covariates")}
            found = session.forecast(inputs["past"], **given)
            assert_same(process.call("forecast", inputs), found)
            assert_of_the_model(model, inputs, found)
    window, future = windows_of(model, 1), future_of(model, 1, 6)
    outputs = session.forecast(window, steps=8, num_paths=4, seed=11, covariates=future)
    expected = reference_paths(model, window[0], future[0], 8, 4, seed=11)
    np.testing.assert_allclose(outputs["paths"][0], expected, rtol=1e-3, atol=1e-3)
    both = session.forecast(np.repeat(window, 2, axis=0), steps=8, num_paths=4, seed=10, covariates=np.repeat(future, 2, axis=0))
    np.testing.assert_allclose(both["paths"][1], expected, rtol=1e-3, atol=1e-3)


def test_tensorflows_c_library_draws_them_too(artefacts, request):
    model, onnx_folder, version = artefacts
    session, calls = load(onnx_folder), [inputs for inputs in requests(model) if len(inputs["steps"])]
    listed = [
        {n: {"dtype": v.dtype.name, "shape": v.shape, "values": v.ravel().tolist()} for n, v in inputs.items()} for inputs in calls
    ]
    program = [sys.executable, request.config.rootpath / "tests/export/c_library.py", version]
    given = json.dumps([{"signature": "forecast", "inputs": inputs} for inputs in listed])
    done = subprocess.run(program, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for inputs, answer in zip(calls, json.loads(done.stdout), strict=True):
        found = {n: np.array(v["values"], v["dtype"]).reshape(v["shape"]) for n, v in answer["outputs"].items()}
        assert_same(session.forecast(**inputs), found)


def test_a_forecast_is_given_up_at_its_deadline(artefacts):
    with pytest.raises(TimeoutError, match="deadline: .*Ask for less"):
        load(artefacts[1]).forecast(
            np.zeros((1, 9, 3)), steps=9_000, num_paths=1_000, covariates=np.zeros((1, 9_000, 1)), deadline=0.01
        )


def test_an_artefact_with_forecast_is_proven_again(artefacts):
    assert kerasrnn.export.verify(artefacts[1], artefacts[0])["running_freely"] < 1e-3


@pytest.mark.parametrize("options", [{}, {"output": "quantile", "quantiles": (0.5,)}], ids=["mean", "one_quantile"])
def test_points_have_no_forecast(options, tmp_path):
    session = load(Forecaster(lags=2, **options).export(tmp_path / "onnx", format="onnx"))
    assert "forecast" not in session.manifest["signatures"] and "forecast" not in session.manifest
    with pytest.raises(ValueError, match="forecast: expected a Forecaster with output='gaussian', or 'quantile'.*Call forward"):
        session.forecast(np.zeros((1, 2, 1)))


@pytest.mark.parametrize("quantize", ["int8", "float16"])
def test_quantised_models_draw_paths_near_the_models(quantize, tmp_path):
    keras.utils.set_random_seed(1)
    model = Forecaster(lags=8, hidden=[64, 64], horizon=2, output="gaussian")
    # (The error of an output is judged over its deviation; random weights forecast little that varies.)
    session = load(model.export(tmp_path / "onnx", format="onnx", quantize=quantize, max_loss=0.2))
    window = windows_of(model, 1)
    paths = session.forecast(window, steps=5, num_paths=50, seed=3)["paths"]
    expected = model.predict_paths(window, 5, num_paths=50, seed=3)
    assert 0 < np.abs(paths - expected).max() < 0.3 * expected.std()


def test_half_precision_leaves_in_float32(tmp_path):
    model = Forecaster([GRUCell(4, dtype="mixed_float16")], lags=6, output="quantile", dtype="mixed_float16")
    session, window = load(model.export(tmp_path / "onnx", format="onnx")), windows_of(model, 1)
    expected = model.predict_paths(window, 3, num_paths=9)
    np.testing.assert_allclose(session.forecast(window, steps=3, num_paths=9)["paths"], expected, atol=0.05)


def test_a_wrong_draw_is_not_exported(tmp_path, monkeypatch):
    model = Forecaster(lags=2, output="gaussian")
    right = _forecast_proof.verify_forecast

    def wrong(reference, candidate, *rest, **options):
        return right(reference, lambda inputs: candidate({**inputs, "seed": inputs["seed"] + 1}), *rest, **options)

    monkeypatch.setattr("kerasrnn.export.writers._proof.verify_forecast", wrong)
    with pytest.raises(ParityError, match="forecast"):
        model.export(tmp_path / "onnx", format="onnx")
    assert not (tmp_path / "onnx").exists()


VALID = {"steps": np.array([2, 2], np.int32), "num_paths": np.array([3, 3], np.int32), "seed": np.array([1, 2])}
BAD = [
    ({"steps": np.array([2, 0], np.int32)}, "steps"), ({"steps": np.array([10_001, 2], np.int32)}, "steps"),
    ({"num_paths": np.array([0, 1], np.int32)}, "num_paths"), ({"num_paths": np.array([1, 1_001], np.int32)}, "num_paths"),
    ({"past": np.zeros((2, 0, 2), np.float32)}, "past"), ({"covariates": np.zeros((2, 0, 1), np.float32)}, "covariates"),
]  # fmt: skip


def test_graphs_refuse_differing_rows_and_numbers_out_of_range(tmp_path):
    """In a process of its own, as onnxruntime could abort it: each input with 0 to 3 rows where the others have 2 or 0."""
    model = Forecaster([GRUCell(3)], covariates=1, output="gaussian")
    (tmp_path / "forecast.onnx").write_bytes(forecast_graph(model).SerializeToString())
    valid = {"past": np.zeros((2, 5, 2), np.float32), "covariates": np.zeros((2, 3, 1), np.float32), **VALID}
    cases = [({**valid, **change}, name) for change, name in BAD]
    for others in (2, 0):
        for name in valid:
            for rows in {0, 1, 2, 3} - {others}:
                changed = {k: np.resize(v, (others, *v.shape[1:])) for k, v in valid.items()}
                changed[name] = np.resize(valid[name], (rows, *valid[name].shape[1:])).astype(valid[name].dtype)
                changed["steps"] = np.resize(np.array([2], np.int32), len(changed["steps"]))
                cases.append((changed, name))
    reference = in_keras(model)
    for i, (inputs, _) in enumerate(cases):
        np.savez(tmp_path / f"{i}.npz", **inputs)
        with pytest.raises(tf.errors.OpError):
            reference(inputs)
    program = (
        "import numpy as np, onnxruntime; session = onnxruntime.InferenceSession('forecast.onnx')\n"
        f"for i in range({len(cases)}):\n"
        "    try: session.run(None, dict(np.load(f'{i}.npz'))); print('accepted', flush=True)\n"
        "    except Exception as error: print(str(error).replace(chr(10), ' '), flush=True)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = run.stdout.splitlines()
    assert run.returncode == 0 and len(lines) == len(cases), run.stderr
    for (inputs, name), line in zip(cases, lines):
        shapes = {k: v.shape for k, v in inputs.items()}
        # Where past is the one that differs, each of the others is named.
        assert ": expected" in line and (name == "past" or name in line), (name, shapes, line)
