"""Models with masks of every source, and the check that an artefact gives what they give: whole, in pieces, by rows."""

import numpy as np

from kerasrnn import cells
from kerasrnn._backend import keras, tf
from kerasrnn.export import read_manifest, runtime
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
        model({name: tf.zeros([2 if n is None else n for n in spec.shape], spec.dtype) for name, spec in signature.items()})
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
        value = {
            "int32": lambda: random.integers(1, 9, shape).astype("int32"),
            "bool": lambda: np.ones(shape, bool),
            "float32": lambda: np.clip(random.standard_normal(shape), -1.4, 2).astype("float32"),
        }[DTYPES.get(name, "float32")]()
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
        def call(**inputs):
            outputs = signatures[name](**{key: tf.constant(value) for key, value in inputs.items()})
            return {key: value.numpy() for key, value in outputs.items()}

        return call

    def initial_states(rows):
        return {name: np.repeat(value[None], rows, axis=0) for name, value in first.items()}

    return function("forward"), function("step"), initial_states, list(first)


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
        # Keras's own loop, as a SavedModel has it, takes no piece without steps.
        empty = [3, 3] if read_manifest(folder)["kind"] == "onnx" else [3]
        for cuts in ([7], [*empty, 8, steps - 2], list(range(1, steps))):
            states, pieces = initial_states(len(next(iter(given.values())))), []
            for first, last in zip([0, *cuts], [*cuts, steps]):
                outputs = step(**{name: value[:, first:last] for name, value in given.items()}, **states)
                states = {name: outputs[f"next_{name}"] for name in names}
                pieces.append(outputs)
            for name, value in expected.items():
                over_time = len(value.shape) > 2
                received = np.concatenate([piece[name] for piece in pieces], axis=1) if over_time else pieces[-1][name]
                np.testing.assert_allclose(received, value, atol=2e-5, err_msg=f"{name}, cut at {cuts}, rows {rows}")
