"""Layers made of torch's weights compute what torch does."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from layers.from_torch_goldens import FILE, ROWS, loss_weights, torch_results

from kerasrnn.layers import GRU, LSTM, RNN, SimpleRNN, from_torch

GOLDENS = json.loads(FILE.read_text())


def distinct(shape, start=0):
    return np.sin(1.7 * np.arange(np.prod(shape)) + 0.3 + start).reshape(shape)


def state_dict(gates, units=2, features=3, layers=1, suffixes=("",), bias=True, projection=None):
    """Weights of the shapes that torch gives them."""
    width, arrays = projection or units, {}
    for layer in range(layers):
        for suffix in suffixes:
            shapes = {
                "weight_ih": (gates * units, len(suffixes) * width if layer else features),
                "weight_hh": (gates * units, width),
                **({"bias_ih": (gates * units,), "bias_hh": (gates * units,)} if bias else {}),
                **({"weight_hr": (width, units)} if projection else {}),
            }
            arrays |= {f"{piece}_l{layer}{suffix}": distinct(shape, layer) for piece, shape in shapes.items()}
    return arrays


def results(layers, inputs):
    """As `torch_results` has them: outputs, states, and the gradient by the inputs."""
    inputs = tf.constant(inputs, layers[0].compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs, states = inputs, []
        for layer in layers:
            outputs, *last = layer(outputs)
            directions = 2 if isinstance(layer, keras.layers.Bidirectional) else 1
            kinds = len(last) // directions
            states += [last[kinds * direction :][:kinds] for direction in range(directions)]
        states = [tf.stack(of_one_kind) for of_one_kind in zip(*states)]
        loss = tf.add_n([tf.reduce_sum(r * loss_weights(r.shape).astype(r.dtype.name)) for r in (outputs, *states)])
    return {"outputs": outputs, "states": states, "gradient": tape.gradient(loss, inputs)}


def assert_equal(ours, torchs, tolerance):
    for name in ("outputs", "gradient"):
        np.testing.assert_allclose(ours[name], torchs[name], atol=tolerance, rtol=tolerance, err_msg=name)
    for our_state, state in zip(ours["states"], torchs["states"], strict=True):
        np.testing.assert_allclose(our_state, state, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-9)])
@pytest.mark.parametrize("name", GOLDENS)
def test_outputs_states_and_gradients_equal_the_goldens(name, dtype, tolerance):
    golden = GOLDENS[name]
    nonlinearity = golden["options"].get("nonlinearity", "tanh")
    layers = from_torch(golden["state_dict"], nonlinearity=nonlinearity, dtype=dtype, return_state=True)
    assert_equal(results(layers, golden["inputs"]), golden, tolerance)


def test_the_goldens_are_those_of_the_script():
    sizes = {"input_size": 2, "hidden_size": 3}
    rows = {name: (kind, sizes | options) for name, (kind, options) in ROWS.items()}
    assert {name: (row["kind"], row["options"]) for name, row in GOLDENS.items()} == rows


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["LSTM", "LSTM projected", "GRU", "RNN"])
def test_equals_torch_itself_at_random_sizes(kind, seed):
    pytest.importorskip("torch", reason="compares with torch itself: pip install kerasrnn[torch]")
    random = np.random.default_rng(seed)
    batch, time, features, units, depth = random.integers([1, 1, 1, 2, 1], [5, 9, 7, 9, 4]).tolist()
    options = {"input_size": features, "hidden_size": units, "num_layers": depth}
    options |= {name: bool(random.integers(2)) for name in ("bias", "bidirectional")}
    options |= {"proj_size": int(random.integers(1, units))} if "projected" in kind else {}
    nonlinearity = "relu" if kind == "RNN" and seed % 2 else "tanh"
    options |= {"nonlinearity": nonlinearity} if kind == "RNN" else {}
    inputs = random.standard_normal((batch, time, features))
    torchs = torch_results(kind.split()[0], options, lambda shape: random.uniform(-0.7, 0.7, shape), inputs)
    layers = from_torch(torchs["state_dict"], nonlinearity=nonlinearity, dtype="float64", return_state=True)
    assert_equal(results(layers, inputs), torchs, 1e-10)


def test_names_the_parameter_that_numpy_cannot_read():
    torch = pytest.importorskip("torch", reason="compares with torch itself: pip install kerasrnn[torch]")
    parameters = dict(torch.nn.GRU(2, 3).named_parameters())
    with pytest.raises(ValueError, match=r"weight_ih_l0 to be an array.*received Parameter.*detach\(\).cpu\(\).float\(\)"):
        from_torch(parameters)
    in_bfloat16 = torch.nn.GRU(2, 3, dtype=torch.bfloat16).state_dict()
    with pytest.raises(ValueError, match="weight_ih_l0 to be an array.*BFloat16"):
        from_torch(in_bfloat16)
    (layer,) = from_torch({name: tensor.detach().cpu().float() for name, tensor in in_bfloat16.items()})
    assert layer(np.ones((1, 2, 2))).shape == (1, 2, 3)


KINDS = [(4, None, LSTM), (3, None, GRU), (1, None, SimpleRNN), (4, 1, RNN)]


@pytest.mark.parametrize(("gates", "projection", "kind"), KINDS)
def test_a_layer_of_its_kind_in_each_direction(gates, projection, kind):
    (layer,) = from_torch(state_dict(gates, projection=projection))
    assert type(layer) is kind and layer.built and layer.return_sequences
    (both,) = from_torch(state_dict(gates, projection=projection, suffixes=("", "_reverse")))
    assert isinstance(both, keras.layers.Bidirectional)
    assert type(both.forward_layer) is type(both.backward_layer) is kind


@pytest.mark.parametrize("units", [1, 3, 4, 12])
@pytest.mark.parametrize("gates", [1, 3, 4])
def test_the_kind_is_clear_whatever_the_units(gates, units):
    (layer,) = from_torch(state_dict(gates, units))
    assert (type(layer), layer.units) == ({1: SimpleRNN, 3: GRU, 4: LSTM}[gates], units)


def test_a_prefix_picks_a_part_of_a_whole_model():
    part = state_dict(3, layers=2)
    whole = {f"encoder.gru.{name}": value for name, value in part.items()} | {"head.weight": np.ones((2, 2))}
    x = distinct((2, 4, 3))
    expected = keras.Sequential(from_torch(part))(x)
    np.testing.assert_array_equal(keras.Sequential(from_torch(whole, prefix="encoder.gru."))(x), expected)


@pytest.mark.parametrize("projection", [None, 1])
def test_further_arguments_reach_every_layer_and_its_cell(projection):
    weights = state_dict(4, layers=2, suffixes=("", "_reverse"), projection=projection)
    layers = from_torch(weights, name="encoder", dtype="float64", trainable=False, dropout=0.5, seed=3, zoneout=0.1)
    assert [layer.name for layer in layers] == ["encoder_l0", "encoder_l1"]
    for layer in layers:
        assert layer(np.ones((1, 2, layer.forward_layer.cell.kernel.shape[0]))).dtype == "float64"
        assert layer.trainable_weights == []
        for part in (layer.forward_layer, layer.backward_layer):
            assert (part.cell.dropout, part.cell.seed, part.zoneout, part.cell.compute_dtype) == (0.5, 3, 0.1, "float64")


@pytest.mark.parametrize("projection", [None, 1])
def test_a_model_of_them_trains_and_is_saved(projection, tmp_path):
    weights = state_dict(4, layers=2, suffixes=("", "_reverse"), projection=projection)
    model = keras.Sequential([keras.Input((None, 3)), *from_torch(weights), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x = distinct((4, 5, 3))
    model.fit(x, np.ones((4, 5, 1)), epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), model(x))


LSTM_WEIGHTS, GRU_WEIGHTS, RNN_WEIGHTS = (state_dict(gates) for gates in (4, 3, 1))
DEEP, BOTH_WAYS = state_dict(4, layers=3), state_dict(4, layers=2, suffixes=("", "_reverse"))
PROJECTED = state_dict(4, projection=1)


def without(weights, *names):
    return {name: value for name, value in weights.items() if name not in names}


@pytest.mark.parametrize(
    ("weights", "arguments", "message"),
    [
        ({"a.b": np.ones(2)}, {}, r"weights: expected weight_ih_l0 .*received \['a.b'\]. Pass the state_dict\(\)"),
        ({}, {}, r"weights: expected weight_ih_l0 .*received \[\]"),
        ({f"e.{n}": v for n, v in GRU_WEIGHTS.items()}, {}, r"expected weight_ih_l0 .*'e.weight_hh_l0'.*Pass prefix='e.'$"),
        ({f"{p}.{n}": v for p in "ed" for n, v in GRU_WEIGHTS.items()}, {}, r"Pass prefix='d.' or 'e.'$"),
        (GRU_WEIGHTS, {"prefix": "gru."}, r"expected gru.weight_ih_l0 .*Pass prefix=''$"),
        ({**GRU_WEIGHTS, "head.weight": np.ones(2)}, {}, r"after ''; leave out \['head.weight'\]"),
        ({**GRU_WEIGHTS, "weight_hh_l0_raw": np.ones(2)}, {}, r"leave out \['weight_hh_l0_raw'\]"),
        (without(GRU_WEIGHTS, "weight_ih_l0"), {}, r"expected \['weight_ih_l0'\] too; received \['weight_hh_l0', "),
        (without(GRU_WEIGHTS, "weight_hh_l0"), {}, r"expected \['weight_hh_l0'\] too"),
        (without(GRU_WEIGHTS, "bias_hh_l0"), {}, r"expected \['bias_hh_l0'\] too.*Pass all parameters"),
        (without(DEEP, "bias_ih_l1", "bias_hh_l1"), {}, r"expected \['bias_hh_l1', 'bias_ih_l1'\] too"),
        (without(DEEP, *(n for n in DEEP if "_l1" in n)), {}, r"expected \['bias_hh_l1', .*'weight_ih_l1'\] too"),
        (without(BOTH_WAYS, "weight_hh_l1_reverse"), {}, r"expected \['weight_hh_l1_reverse'\] too"),
        (without(state_dict(4, projection=1, layers=2), "weight_hr_l1"), {}, r"expected \['weight_hr_l1'\] too"),
        (state_dict(2), {}, r"4 gates for an LSTM, 3 for a GRU and 1 for an RNN; received .*'weight_hh': \(4, 2\)"),
        (without(PROJECTED, "weight_hr_l0"), {}, r"4 gates for an LSTM.*'weight_hh': \(8, 1\)"),
        (state_dict(3, projection=1), {}, r"4 gates for an LSTM.*'weight_hr': \(1, 2\)"),
        ({n: v.T for n, v in LSTM_WEIGHTS.items()}, {}, r"4 gates for an LSTM.*as they are, not transposed"),
        ({n: v[0] for n, v in LSTM_WEIGHTS.items()}, {}, r"'weight_hh': \(2,\)"),
        ({**GRU_WEIGHTS, "weight_ih_l0": np.ones((5, 3))}, {}, r"of shape \(6, 3\).*GRU of 2 units; received \(5, 3\)"),
        ({**GRU_WEIGHTS, "bias_hh_l0": np.ones((2, 3))}, {}, r"expected bias_hh_l0 of shape \(6,\).*received \(2, 3\)"),
        ({**BOTH_WAYS, "weight_ih_l1_reverse": np.ones((8, 2))}, {}, r"ih_l1_reverse of shape \(8, 4\).*received \(8, 2\)"),
        ({**PROJECTED, "weight_hh_l0": np.ones((8, 2))}, {}, r"expected weight_hh_l0 of shape \(8, 1\).*received \(8, 2\)"),
        ({**GRU_WEIGHTS, "weight_ih_l0": [[1.0], [1.0, 2.0]]}, {}, r"expected weight_ih_l0 to be an array.*received list"),
        (RNN_WEIGHTS, {"nonlinearity": "sigmoid"}, r"nonlinearity: expected 'tanh' or 'relu'.*received 'sigmoid' .*RNN"),
        (GRU_WEIGHTS, {"nonlinearity": "relu"}, r"nonlinearity: .*nothing for an LSTM or GRU; received 'relu' .*GRU"),
        (GRU_WEIGHTS, {"units": 2, "reset_after": False}, r"^reset_after, units: expected nothing.*leave it out"),
    ],
)  # fmt: skip
def test_errors_say_what_is_wrong_and_what_to_do(weights, arguments, message):
    with pytest.raises(ValueError, match=message):
        from_torch(weights, **arguments)


def test_a_module_instead_of_its_weights_is_refused():
    with pytest.raises(TypeError, match=r"weights: expected a mapping of names to arrays, as a module's state_dict\(\)"):
        from_torch([np.ones(2)])
