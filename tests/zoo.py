"""Models to convert: all recurrences, options, masks, and what may stand around; with the nodes they must become."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasrnn import cells
from kerasrnn.export.writers._convert import convert
from kerasrnn.export.writers._model_io import forward_signature
from kerasrnn.layers import RNN

layers = keras.layers
FEATURES = 4


class Exhibit(NamedTuple):
    """A model, and the numbers of its recurrent nodes by operation; none other is allowed unless `loops`."""

    build: Callable[[], keras.Model]
    nodes: dict[str, int]
    fast: bool = False
    loops: bool = False


@keras.saving.register_keras_serializable("zoo")
class NestedCell(layers.Layer):
    """Somebody's own cell: nested states, two products with the input, a width that is no state's."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units + 1]
        self.output_size = 2 * units + 1

    def build(self, input_shape: Any) -> None:
        features, units = input_shape[-1], self.units
        shapes = {"a": (features, units), "b": (features, units + 1), "r": (units, units + 1)}
        self.kernels = {name: self.add_weight(shape=shape, name=name) for name, shape in shapes.items()}

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        fast, slow = states
        a = keras.ops.tanh(keras.ops.matmul(inputs, self.kernels["a"]) + 0.5 * fast)
        b = keras.ops.sigmoid(keras.ops.matmul(inputs, self.kernels["b"])) * slow + keras.ops.matmul(a, self.kernels["r"])
        return keras.ops.concatenate([a, keras.ops.tanh(b)], axis=-1), [a, b]


def sequence(layer: Callable[[], Any], masked: bool = False, steps: int | None = None) -> Callable[[], keras.Model]:
    """A layer on vectors, steps of zeros masked or not."""

    def build() -> keras.Model:
        x = keras.Input((steps, FEATURES), name="x")
        return keras.Model(x, layer()(layers.Masking()(x) if masked else x))

    return build


def tokens(*stack: Callable[[], Any], mask_zero: bool = False) -> Callable[[], keras.Model]:
    """Layers on embedded token ids; zeros are padding or not."""

    def build() -> keras.Model:
        ids = keras.Input((None,), dtype="int32", name="token_ids")
        x = layers.Embedding(7, FEATURES, mask_zero=mask_zero, name="embedding")(ids)
        for layer in stack:
            x = layer()(x)
        return keras.Model(ids, x)

    return build


def initial_states() -> keras.Model:
    x, h, c = keras.Input((None, FEATURES), name="x"), keras.Input((5,), name="h"), keras.Input((5,), name="c")
    outputs, *states = layers.LSTM(5, return_sequences=True, return_state=True)(x, initial_state=[h, c])
    return keras.Model({"x": x, "h": h, "c": c}, {"outputs": outputs, "next_h": states[0], "next_c": states[1]})


def encoder_decoder() -> keras.Model:
    source, target = (keras.Input((None,), dtype="int32", name=name) for name in ("source", "target"))
    embedding = layers.Embedding(7, FEATURES, mask_zero=True)
    _, *states = layers.GRU(5, return_state=True)(embedding(source))
    x = layers.GRU(5, return_sequences=True)(embedding(target), initial_state=states)
    return keras.Model([source, target], layers.Dense(7)(x))


def around() -> keras.Model:
    x = keras.Input((None, FEATURES), name="x")
    h = layers.TimeDistributed(keras.Sequential([layers.Dense(6, "relu"), layers.BatchNormalization()]))(x)
    h = layers.Add()([layers.GRU(6, return_sequences=True)(h), h])
    h = layers.Conv1D(5, 3, padding="causal")(layers.LayerNormalization()(h))
    h = layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True))(h)
    return keras.Model(x, [layers.GlobalAveragePooling1D()(h), layers.TimeDistributed(layers.Dense(2))(h)])


def recurrent_in_time_distributed() -> keras.Model:
    x = keras.Input((None, 5, FEATURES), name="x")
    return keras.Model(x, layers.LSTM(3)(layers.TimeDistributed(layers.GRU(6))(x)))


def conv_lstm() -> keras.Model:
    x = keras.Input((3, 6, 2), name="x")
    return keras.Model(x, layers.LSTM(4)(layers.Reshape((3, -1))(layers.ConvLSTM1D(2, 3, return_sequences=True)(x))))


def regularised() -> keras.Model:
    x = keras.Input((None, FEATURES), name="x")
    options = {"dropout": 0.2, "recurrent_dropout": 0.3, "kernel_regularizer": "l2", "activity_regularizer": "l1"}
    h = layers.LSTM(5, return_sequences=True, **options)(layers.GaussianNoise(0.1)(layers.SpatialDropout1D(0.2)(x)))
    return keras.Model(x, RNN(cells.LSTMCell(4), weight_drop=0.3, zoneout=0.1, return_sequences=True)(h))


_NODES = {"LSTM": "LSTM", "GRU": "GRU", "SimpleRNN": "RNN"}
ZOO: dict[str, Exhibit] = {
    "initial states": Exhibit(initial_states, {"LSTM": 1}, fast=True),
    "encoder and decoder": Exhibit(encoder_decoder, {"GRU": 2}, fast=True),
    "much around": Exhibit(around, {"GRU": 1, "RNN": 2}, fast=True),
    "recurrent in TimeDistributed": Exhibit(recurrent_in_time_distributed, {"GRU": 1, "LSTM": 1}),
    "ConvLSTM": Exhibit(conv_lstm, {"LSTM": 1}, loops=True),
    "regularised": Exhibit(regularised, {"LSTM": 1, "Scan": 1}),
    "language model": Exhibit(tokens(lambda: layers.LSTM(5, return_sequences=True), lambda: layers.Dense(7)), {"LSTM": 1}),
    "padded classifier": Exhibit(
        tokens(lambda: layers.Bidirectional(layers.LSTM(5)), lambda: layers.Dense(3, "softmax"), mask_zero=True),
        {"LSTM": 2}, fast=True,
    ),
}  # fmt: skip
for name, node in _NODES.items():
    layer = getattr(layers, name)
    for masked in (False, True):
        for options in (
            {"return_sequences": True, "return_state": True},
            {},
            {"return_sequences": True, "go_backwards": True},
            {"return_sequences": True, "zero_output_for_mask": True, "use_bias": False},
        ):
            title = " ".join([name, *("masked",) * masked, *options])
            made = sequence(lambda layer=layer, options=options: layer(5, **options), masked)
            fast = masked and len(options) == 2 and "return_state" in options
            ZOO[title] = Exhibit(made, {node: 1}, fast)
    ZOO[f"{name} unrolled"] = Exhibit(sequence(lambda layer=layer: layer(5, unroll=True), steps=6), {node: 1})
ZOO["GRU reset before"] = Exhibit(sequence(lambda: layers.GRU(5, reset_after=False), True), {"GRU": 1})
for merge in ("sum", "mul", "ave", "concat", None):
    made = sequence(
        lambda merge=merge: layers.Bidirectional(layers.GRU(3, return_sequences=True, return_state=True), merge_mode=merge),
        True,
    )
    ZOO[f"Bidirectional {merge}"] = Exhibit(made, {"GRU": 2}, merge == "mul")
for activation in (
    "relu", "linear", "hard_sigmoid", "softsign", "softplus", "elu", "leaky_relu", "silu", "selu", "mish", "gelu", "relu6",
):  # fmt: skip
    native = activation in ("relu", "linear", "hard_sigmoid", "softsign", "softplus", "elu", "leaky_relu")
    made = sequence(lambda activation=activation: layers.GRU(5, activation=activation, recurrent_activation="hard_sigmoid"))
    ZOO[f"GRU {activation}"] = Exhibit(made, {"GRU" if native else "Scan": 1})
for title, cell in {
    "LSTM peepholes": lambda: cells.LSTMCell(5, peepholes=True),
    "LSTM projection": lambda: cells.LSTMCell(5, projection=3),
    "LayerNormLSTM": lambda: cells.LayerNormLSTMCell(5),
    "IndRNN": lambda: cells.IndRNNCell(5),
    "MinGRU": lambda: cells.MinGRUCell(5),
    "RGLRU": lambda: cells.RGLRUCell(5),
    "SRU": lambda: cells.SRUCell(5),
    "nested": lambda: NestedCell(3),
    "stack of three": lambda: layers.StackedRNNCells([layers.LSTMCell(5), NestedCell(2), layers.SimpleRNNCell(4)]),
}.items():
    kind = {"LSTM peepholes": {"LSTM": 1}, "stack of three": {"LSTM": 1, "Scan": 1, "RNN": 1}}.get(title, {"Scan": 1})
    for masked in (False, True):
        options = {"return_sequences": True, "return_state": True}
        layer_class = layers.RNN if title in ("nested", "stack of three") else RNN
        made = sequence(lambda cell=cell, layer=layer_class, options=options: layer(cell(), **options), masked)
        fast = masked and title in ("LSTM projection", "LayerNormLSTM", "nested", "stack of three")
        ZOO[f"{title}{' masked' * masked}"] = Exhibit(made, kind, fast)


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
