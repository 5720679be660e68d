"""Models with masks, as they are exported: whole, in pieces and by rows they give what Keras gives."""

import itertools
import re

import numpy as np
import pytest

from kerasrnn import cells
from kerasrnn._backend import keras, tf
from kerasrnn.export import export_onnx, export_saved_model, read_manifest, runtime
from kerasrnn.export.writers._masked_samples import masked_samples
from kerasrnn.export.writers._model_io import forward_signature
from kerasrnn.export.writers._samples import samples_for
from kerasrnn.export.writers._signatures import signatures_of
from kerasrnn.layers import GRU, LSTM, RNN

layers, ops = keras.layers, keras.ops
FEATURES, UNITS = 4, 4
STEPS = 19

LAYERS = {
    "keras LSTM": lambda **options: layers.LSTM(UNITS, **options),
    "keras GRU": lambda **options: layers.GRU(UNITS, **options),
    "keras SimpleRNN": lambda **options: layers.SimpleRNN(UNITS, **options),
    "LSTM": lambda **options: LSTM(UNITS, **options),
    "GRU": lambda **options: GRU(UNITS, **options),
    "LayerNormLSTM": lambda **options: RNN(cells.LayerNormLSTMCell(UNITS), **options),
    "stack": lambda **options: RNN([cells.GRUCell(3), cells.LSTMCell(UNITS)], **options),
}


class Source:
    """Inputs, the sequences made of them, the mask given by hand if any, and how a step of each input is hidden."""

    inputs = {"x": (None, FEATURES)}
    hidden = {"x": 0.0}

    def make(self):
        pass

    def sequences(self, x):
        return x, None


class MaskZero(Source):
    inputs, hidden = {"words": (None,)}, {"words": 0}

    def make(self):
        self.embedding = layers.Embedding(9, FEATURES, mask_zero=True)

    def sequences(self, words):
        return self.embedding(words), None


class Masking(Source):
    hidden = {"x": -1.5}

    def make(self):
        self.masking = layers.Masking(-1.5)

    def sequences(self, x):
        return self.masking(x), None


class MaskingOfWhatIsComputed(Source):
    hidden = {"x": 1.0}  # 2 x + 1 = 3

    def make(self):
        self.masking = layers.Masking(3.0)

    def sequences(self, x):
        return self.masking(2.0 * x + 1.0), None


class BooleanInput(Source):
    inputs, hidden = {"x": (None, FEATURES), "counts": (None,)}, {"counts": False}

    def sequences(self, x, counts):
        return x, counts


class MaskOfTheModel(Source):
    hidden = {"x": -2.0}

    def sequences(self, x):
        return x, x[:, :, 0] > -1.9


class TwoInputs(Source):
    inputs, hidden = {"words": (None,), "x": (None, FEATURES)}, {"words": 0, "x": 0.0}

    def make(self):
        self.embedding, self.masking, self.both = layers.Embedding(9, 2, mask_zero=True), layers.Masking(), layers.Concatenate()

    def sequences(self, words, x):
        return self.both([self.embedding(words), self.masking(x)]), None  # a step counts where either does


SOURCES = {
    source.__name__: source
    for source in (MaskZero, Masking, MaskingOfWhatIsComputed, BooleanInput, MaskOfTheModel, TwoInputs)
}
HEADS = {
    "sequences": {"return_sequences": True}, "last output": {}, "residual": {"return_sequences": True},
    "zero_output_for_mask": {"return_sequences": True, "zero_output_for_mask": True},
}  # fmt: skip
STYLES = ("functional", "subclassed", "dictionary")
DTYPES = {"words": "int32", "counts": "bool"}


class Parts:
    """The layers of one model, and its computation of named inputs."""

    def __init__(self, layer, source, head):
        self.source, self.head = SOURCES[source](), head
        self.source.make()
        self.recurrent, self.score = LAYERS[layer](**HEADS[head], name="recurrent"), layers.Dense(2, name="score")
        self.inner, self.add, self.last = layers.Dense(UNITS), layers.Add(), layers.GRU(3, name="last")

    def __call__(self, **inputs):
        x, mask = self.source.sequences(**inputs)
        h = self.recurrent(x) if mask is None else self.recurrent(x, mask=mask)
        if self.head == "residual":
            h = self.add([h, self.inner(x)])
            return {"score": self.score(h), "last": self.last(h)}  # of the sum's mask, the last step that counts
        return {"score": self.score(h)}

    def keras_inputs(self):
        return {name: keras.Input(shape, dtype=DTYPES.get(name), name=name) for name, shape in self.source.inputs.items()}

    def signature(self):
        return {
            name: keras.InputSpec(DTYPES.get(name, "float32"), (None, *shape)) for name, shape in self.source.inputs.items()
        }


class Subclassed(keras.Model):
    def __init__(self, parts):
        super().__init__()
        self.parts = parts
        self.layers_of_it = [value for value in vars(parts).values() if isinstance(value, layers.Layer)]
        self.layers_of_it += [value for value in vars(parts.source).values() if isinstance(value, layers.Layer)]

    def call(self, inputs):
        return self.parts(**inputs)


def build(layer, source, head, style):
    keras.utils.set_random_seed(1)
    parts = Parts(layer, source, head)
    if style == "subclassed":
        model, signature = Subclassed(parts), parts.signature()
        model({name: tf.zeros([2 if n is None else n for n in (None, *spec.shape[1:])], spec.dtype) for name, spec in signature.items()})
    else:
        inputs = parts.keras_inputs()
        outputs = parts(**inputs)
        model, signature = keras.Model(dict(inputs), outputs if style == "dictionary" else list(outputs.values())), None
    random = np.random.default_rng(2)
    model.set_weights([w + 0.3 * random.standard_normal(w.shape).astype(w.dtype) for w in model.get_weights()])
    return model, signature, parts


def hard_inputs(source, random):
    """Rows masked at the beginning, in the middle, at the end, all over, anywhere, and nowhere."""
    hidden = np.zeros((6, STEPS), bool)
    hidden[0, :3], hidden[1, 7:9], hidden[2, -4:], hidden[3] = True, True, True, True
    hidden[4] = random.random(STEPS) < 0.4
    inputs = {}
    for name, shape in source.inputs.items():
        shape = (6, STEPS, *shape[1:])
        kind = DTYPES.get(name)
        value = random.integers(1, 9, shape).astype("int32") if kind == "int32" else np.ones(shape, bool) if kind == "bool" else None
        value = np.clip(random.standard_normal(shape), -1.4, 2).astype("float32") if value is None else value
        if name in source.hidden:
            value[hidden] = source.hidden[name]
        inputs[name] = value
    return inputs


def opened(folder):
    """forward and step of either kind of artefact, and the states at the beginning."""
    manifest = read_manifest(folder)
    if manifest["kind"] == "onnx":
        session = runtime.load(folder)
        return session.forward, session.step, session.initial_states, session.state_names
    signatures = tf.saved_model.load(str(folder)).signatures
    first = {state["name"]: np.array(state.get("initial", [0] * state["size"]), "float32") for state in manifest["states"]}

    def function(name):
        return lambda **inputs: {k: v.numpy() for k, v in signatures[name](**{n: tf.constant(v) for n, v in inputs.items()}).items()}

    return function("forward"), function("step"), lambda rows: {n: np.repeat(v[None], rows, 0) for n, v in first.items()}, list(first)


def check_against_keras(folder, model, inputs):
    """Whole and in pieces, of all rows, of three and of one."""
    forward, step, initial_states, names = opened(folder)
    steps = next(iter(inputs.values())).shape[1]
    for rows in (slice(None), slice(0, 3), slice(2, 3), slice(3, 4)):
        given = {name: value[rows] for name, value in inputs.items()}
        expected = model(given)
        flat = keras.tree.flatten(expected)
        whole = forward(**given)
        assert len(flat) == len(whole)
        expected = dict(zip(sorted(whole) if isinstance(expected, dict) else whole, flat))
        for name, value in expected.items():
            np.testing.assert_allclose(whole[name], value, atol=2e-5, err_msg=f"{name}, whole, rows {rows}")
        empty = [3, 8, 8] if read_manifest(folder)["kind"] == "onnx" else [3, 8]
        for cuts in ([7], [*empty, steps - 3], list(range(1, steps))):
            states, pieces = initial_states(len(next(iter(given.values())))), []
            for first, last in zip([0, *cuts], [*cuts, steps]):
                outputs = step(**{name: value[:, first:last] for name, value in given.items()}, **states)
                states = {name: outputs[f"next_{name}"] for name in names}
                pieces.append(outputs)
            for name, value in expected.items():
                over_time = len(value.shape) > 2
                received = np.concatenate([piece[name] for piece in pieces], axis=1) if over_time else pieces[-1][name]
                np.testing.assert_allclose(received, value, atol=2e-5, err_msg=f"{name}, cut at {cuts}, rows {rows}")


FAST = {(4, 2), (6, 0), (3, 1), (5, 3), (1, 4), (0, 3)}


def cases():
    """Every layer under every mask; heads, styles and formats in turn, so that each layer and each mask meets every one."""
    for (i, layer), (j, source) in itertools.product(enumerate(LAYERS), enumerate(SOURCES)):
        head, style, saved = list(HEADS)[(i + j) % 4], STYLES[(i + 2 * j + i * j) % 3], (i + 2 * j) % 4 == 3
        title = " ".join([layer, source, head, style, "saved_model" if saved else "onnx"])
        yield pytest.param(layer, source, head, style, saved, id=title, marks=[] if (i, j) in FAST else pytest.mark.slow)


@pytest.mark.parametrize(("layer", "source", "head", "style", "saved"), list(cases()))
def test_a_masked_model_gives_what_keras_gives(layer, source, head, style, saved, tmp_path):
    model, signature, parts = build(layer, source, head, style)
    folder = (export_saved_model if saved else export_onnx)(model, tmp_path / "out", input_signature=signature)
    assert "step" in read_manifest(folder)["signatures"], read_manifest(folder)["no_step"]
    assert any(check["note"] == "masked steps" for check in read_manifest(folder)["parity"]["checks"])
    check_against_keras(folder, model, hard_inputs(parts.source, np.random.default_rng(3)))


@keras.saving.register_keras_serializable("streaming_test")
class LastRelevant(layers.Layer):
    """What many published models do by hand: the value at the last step that the mask does not hide."""

    def call(self, x, mask=None):
        steps = ops.arange(ops.shape(x)[1])[None]
        last = ops.max(ops.where(mask, steps, 0), axis=1)
        return ops.take_along_axis(x, last[:, None, None], axis=1)[:, 0]


def last_relevant_of_a_residual():
    words = keras.Input((None,), dtype="int32", name="words")
    x = layers.Embedding(9, UNITS, mask_zero=True)(words)
    h = layers.add([layers.GRU(UNITS, return_sequences=True)(x), x])
    return keras.Model(words, layers.Dense(2)(LastRelevant(name="last_relevant")(h)))


def counted_by_hand():
    """No layer is given a mask."""
    words = keras.Input((None,), dtype="int32", name="words")
    h = layers.GRU(UNITS, return_sequences=True)(layers.Embedding(9, UNITS)(words))
    last = layers.Lambda(lambda both: ops.take_along_axis(
        both[0], ops.max(ops.where(both[1] != 0, ops.arange(ops.shape(both[1])[1])[None], 0), axis=1)[:, None, None], axis=1
    )[:, 0], name="by_hand")([h, words])  # fmt: skip
    return keras.Model(words, last)


def mean_of_all_steps():
    x = keras.Input((None, FEATURES), name="x")
    return keras.Model(x, ops.mean(layers.GRU(3, return_sequences=True)(x), axis=1))


@pytest.mark.parametrize(
    ("build_one", "reason"),
    [
        (last_relevant_of_a_residual, "last_relevant, a LastRelevant, gives something else in pieces: it looks at others where steps"),
        (counted_by_hand, "by_hand, a Lambda, gives something else in pieces: it looks at others where steps are masked"),
        (mean_of_all_steps, "mean.*, a Mean, gives something else in pieces: it looks at other steps than its own"),
    ],
)
def test_what_is_wrong_in_pieces_is_refused_by_the_layers_name(build_one, reason):
    signatures = signatures_of(build_one())
    assert "step" not in signatures
    assert re.search(reason, signatures["forward"].no_step)


def test_a_mask_that_hides_none_of_the_samples_is_reported():
    x = keras.Input((None, FEATURES), name="x")
    h = layers.Masking(77.25, name="never")(layers.Dense(3, "tanh")(x))
    with pytest.warns(UserWarning, match="gru.*, a GRU, is given a mask: expected samples with steps that it hides"):
        assert "step" in signatures_of(keras.Model(x, layers.GRU(3)(h)))


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("source", SOURCES)
def test_samples_have_masked_steps_in_every_place(source, given):
    """At the beginning, in the middle, at the end and all over a row; in samples of the user's, too."""
    model, signature, parts = build("keras GRU", source, "sequences", "functional")
    forward = forward_signature(model, signature)
    samples = hard_inputs(parts.source, np.random.default_rng(5)) if given else None
    if given:
        samples = {name: np.tile(value[-1:], (3, 3, *[1] * (value.ndim - 2))) for name, value in samples.items()}  # none is masked
    hard = masked_samples(model, forward, samples_for(model, forward, samples))
    masks = []
    parts.recurrent.__dict__["call"] = lambda x, mask=None, **_: (masks.append(np.array(mask)), x)[1]
    parts.score = layers.Identity()
    parts(**{name: tf.constant(value) for name, value in hard.inputs.items()})
    (mask,) = masks
    assert not hard.never and hard.masked
    places = (mask[:, 0] < mask[:, 2]) & ~mask[:, -1] & (mask[:, 2:-2].all(axis=1) < mask[:, 2:-2].any(axis=1))
    assert places.any(), "masked at the beginning, in the middle and at the end"
    assert (~mask.any(axis=1)).any(), "masked all over"
    assert mask.all(axis=1).any() or not given, "masked nowhere"


def start_at_a_half(layer_class):
    class StartsAtAHalf(layer_class):
        """A cell of somebody's own, with its own initial states."""

        def get_initial_state(self, batch_size=None):
            zeros = super().get_initial_state(batch_size)
            return [state + 0.5 for state in (zeros if isinstance(zeros, (list, tuple)) else [zeros])]

    return StartsAtAHalf


INITIAL = {
    "trained LSTM": lambda: RNN(cells.LSTMCell(UNITS), return_sequences=True, trainable_initial_state=True),
    "trained GRU": lambda: GRU(UNITS, return_sequences=True, trainable_initial_state=True),
    "trained LayerNormLSTM": lambda: RNN(cells.LayerNormLSTMCell(UNITS), return_sequences=True, trainable_initial_state=True),
    "own keras GRU cell": lambda: layers.RNN(start_at_a_half(layers.GRUCell)(UNITS), return_sequences=True),
    "own LSTM cell": lambda: RNN(start_at_a_half(cells.LSTMCell)(UNITS), return_sequences=True),
    "own keras LSTM layer": lambda: start_at_a_half(layers.LSTM)(UNITS, return_sequences=True),
    "stack of own": lambda: RNN([start_at_a_half(cells.GRUCell)(3), cells.GRUCell(UNITS)], return_sequences=True),
}
FAST_INITIAL = ("trained LSTM", "own keras GRU cell")


@pytest.mark.parametrize("saved", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["onnx", "saved_model"])
@pytest.mark.parametrize("masked", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["masked", "unmasked"])
@pytest.mark.parametrize("kind", [pytest.param(k, marks=[] if k in FAST_INITIAL else pytest.mark.slow) for k in INITIAL])
def test_initial_states_are_kept(kind, masked, saved, tmp_path):
    keras.utils.set_random_seed(1)
    x = keras.Input((None, FEATURES), name="x")
    h = layers.Masking()(x) if masked else x
    model = keras.Model({"x": x}, {"score": layers.Dense(2)(INITIAL[kind]()(h))})
    random = np.random.default_rng(2)
    model.set_weights([w + 0.3 * random.standard_normal(w.shape).astype(w.dtype) for w in model.get_weights()])
    folder = (export_saved_model if saved else export_onnx)(model, tmp_path / "out")
    manifest = read_manifest(folder)
    assert manifest["version"] == 4 and any("initial" in state for state in manifest["states"])
    inputs = {"x": random.standard_normal((4, 11, FEATURES)).astype("float32")}
    inputs["x"][0, :3], inputs["x"][1, -4:], inputs["x"][3] = 0, 0, 0
    check_against_keras(folder, model, inputs)
    if not saved:
        session = runtime.load(folder)
        outputs, states = session.feed(x=inputs["x"][:, :6])
        rest, _ = session.feed(states, x=inputs["x"][:, 6:])
        received = np.concatenate([outputs["score"], rest["score"]], axis=1)
        np.testing.assert_allclose(received, model(inputs)["score"], atol=2e-5)


class OfChance(layers.SimpleRNNCell):
    def get_initial_state(self, batch_size=None):
        return keras.random.normal((batch_size, self.units))


class OfTheBatch(layers.SimpleRNNCell):
    def get_initial_state(self, batch_size=None):
        return ops.ones((batch_size, self.units)) * ops.cast(batch_size, "float32")


@pytest.mark.parametrize("cell", [OfChance, OfTheBatch])
def test_initial_states_that_depend_on_more_than_weights_are_refused(cell):
    model = keras.Sequential([keras.Input((None, FEATURES)), layers.RNN(cell(3), name="recurrent")])
    reason = signatures_of(model)["forward"].no_step
    assert reason == "recurrent begins from states that depend on more than its weights, as on chance or the batch"


FIXED = {
    "LSTM": lambda: LSTM(UNITS, return_sequences=True),
    "keras GRU": lambda: layers.GRU(UNITS),
    "unrolled": lambda: layers.GRU(UNITS, return_sequences=True, unroll=True),
    "unrolled LSTM": lambda: LSTM(UNITS, unroll=True),
}


@pytest.mark.parametrize("masked", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["masked", "unmasked"])
@pytest.mark.parametrize("kind", [pytest.param(k, marks=[] if k == "LSTM" else pytest.mark.slow) for k in FIXED])
def test_a_model_of_a_fixed_length_has_a_step_of_any(kind, masked, tmp_path):
    keras.utils.set_random_seed(1)
    x = keras.Input((11, FEATURES), name="x")
    layer = FIXED[kind]()
    h = layer(layers.Masking()(x) if masked else x)
    model = keras.Model({"x": x}, {"score": layers.TimeDistributed(layers.Dense(2))(h) if layer.return_sequences else h})
    folder = export_onnx(model, tmp_path / "out")
    signatures = read_manifest(folder)["signatures"]
    assert signatures["forward"]["inputs"][0]["shape"] == [None, 11, FEATURES]
    assert signatures["step"]["inputs"][0]["shape"] == [None, None, FEATURES]
    inputs = {"x": np.random.default_rng(2).standard_normal((4, 11, FEATURES)).astype("float32")}
    inputs["x"][0, :3], inputs["x"][1, -4:], inputs["x"][3] = 0, 0, 0
    check_against_keras(folder, model, inputs)


def test_a_model_that_takes_no_other_length_says_so():
    x = keras.Input((5, FEATURES), name="x")
    positions = layers.Lambda(lambda h: h + ops.reshape(ops.arange(5, dtype="float32"), (1, 5, 1)), name="positions")
    h = layers.GRU(3, return_sequences=True)(positions(x))
    reason = signatures_of(keras.Model(x, h))["forward"].no_step
    assert reason.startswith("it fails in pieces: Incompatible shapes: [1,5,1] vs. [") and "/positions" in reason


def test_a_layer_that_asks_for_a_number_of_steps_is_refused():
    class Positions(layers.Layer):
        def call(self, h):
            return h + ops.reshape(ops.arange(h.shape[1], dtype="float32"), (1, -1, 1))

    x = keras.Input((5, FEATURES), name="x")
    reason = signatures_of(keras.Model(x, layers.GRU(3)(Positions(name="positions")(x))))["forward"].no_step
    assert reason.startswith("the input x has a fixed length of 5 steps, and the model takes no other: ")
