"""Models made by chance from parts: each of them twice, with our recurrent layers and with Keras's.

layers × wrappers × where masks come from × lengths × what stands behind × nesting × precision
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from families import PAIRS, Pair

FEATURES, WORDS, STEPS = 3, 7, 10

WRAPPERS = ("", "two deep", "Bidirectional", "Bidirectional sum", "go_backwards", "residual", "over frames", "unroll")
MASKS = ("none", "Masking", "mask_zero", "an input")
HEADS = ("each step", "last", "flattened", "normalised over time", "pooled", "decoded", "outputs and state")
STYLES = ("functional", "sequential", "subclassed", "nested", "dictionary")
PRECISIONS = ("float32", "float32", "float32", "mixed_bfloat16", "mixed_float16")
FIXED_LENGTH = {"flattened", "normalised over time", "decoded"}


class Spec(NamedTuple):
    """What a model is made of."""

    layer: str
    wrapper: str
    mask: str
    length: int | None
    head: str
    style: str
    precision: str

    def __str__(self) -> str:
        return ", ".join(str(part) for part in self if part not in ("", "none", None))


def fits(spec: Spec) -> bool:
    """Whether Keras itself builds and trains such a model."""
    fixed = spec.length is not None
    return not (
        (spec.head in FIXED_LENGTH or spec.wrapper in ("unroll", "over frames")) and not fixed
        # A Sequential has one input and one output, one after the other.
        or spec.style == "sequential" and (spec.mask == "an input" or spec.wrapper in ("residual", "over frames"))
        or spec.style == "sequential" and spec.head == "outputs and state"
        or spec.wrapper == "over frames" and spec.mask != "none"  # TimeDistributed hands the mask of frames to none
        or spec.wrapper == "residual" and spec.layer == "LSTMCell with projection"  # of another width
        or spec.wrapper.startswith("Bidirectional") and spec.head == "outputs and state"
        # Flatten and the like give up the mask, of which Keras warns.
        or spec.mask != "none" and spec.head in FIXED_LENGTH
        or spec.mask == "an input" and (spec.wrapper == "two deep" or spec.head == "pooled")
    )  # fmt: skip


def specs(count: int, seed: int = 17) -> list[Spec]:
    """That many different ones, with each layer as often as any other."""
    random = np.random.default_rng(seed)
    found: dict[Spec, None] = {}
    names = list(PAIRS)
    while len(found) < count:
        draw = lambda values: values[random.integers(len(values))]  # noqa: E731
        parts = (draw(values) for values in (WRAPPERS, MASKS, (None, STEPS), HEADS, STYLES, PRECISIONS))
        spec = Spec(names[len(found) % len(names)], *parts)
        if fits(spec):
            found[spec] = None
    return list(found)


@contextlib.contextmanager
def precision_of(spec: Spec) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(spec.precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _recurrent(spec: Spec, make: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """The recurrent part, of sequences and perhaps a mask."""
    options |= {"go_backwards": spec.wrapper == "go_backwards", "unroll": spec.wrapper == "unroll"}
    if spec.wrapper.startswith("Bidirectional"):
        del options["go_backwards"]
        return keras.layers.Bidirectional(make(**options), merge_mode="sum" if "sum" in spec.wrapper else "concat")
    return make(**options)


class Parts:
    """A model's layers, and how they are called."""

    def __init__(self, spec: Spec, make: Callable[..., Any]) -> None:
        self.spec = spec
        sequences = spec.head != "last" and spec.head != "decoded"
        states = spec.head == "outputs and state"
        self.front: list[Any] = []
        if spec.mask == "mask_zero":
            self.front.append(keras.layers.Embedding(WORDS, FEATURES, mask_zero=True))
        elif spec.mask == "Masking":
            self.front.append(keras.layers.Masking())
        if spec.wrapper == "two deep":
            self.front.append(make(return_sequences=True))
        if spec.wrapper == "over frames":
            self.front.append(keras.layers.TimeDistributed(make()))
        self.recurrent = _recurrent(spec, make, return_sequences=sequences, return_state=states)
        self.widened = keras.layers.Dense(4) if spec.wrapper == "residual" else None
        dense = keras.layers.Dense(2, name="head")
        self.behind: list[Any] = {
            "each step": [keras.layers.TimeDistributed(dense)],
            "last": [dense],
            "flattened": [keras.layers.Flatten(), dense],
            "normalised over time": [keras.layers.BatchNormalization(axis=1), dense],
            "pooled": [keras.layers.GlobalAveragePooling1D(), dense],
            "decoded": [keras.layers.RepeatVector(STEPS), make(return_sequences=True), dense],
            "outputs and state": [dense],
        }[spec.head]

    def __call__(self, x: Any, mask: Any = None) -> Any:
        for layer in self.front:
            x = layer(x)
        h = self.recurrent(x) if mask is None else self.recurrent(x, mask=mask)
        state = None
        if self.spec.head == "outputs and state":
            h, state = h[0], h[1]
        if self.widened is not None and self.spec.head not in ("last", "decoded"):
            h = keras.layers.add([h, self.widened(x)]) if h.shape[-1] == 4 else h
        for layer in self.behind:
            h = layer(h)
        return h if state is None else [h, state]

    @property
    def layers(self) -> list[Any]:
        return [*self.front, self.recurrent, *([self.widened] if self.widened is not None else []), *self.behind]


@keras.saving.register_keras_serializable("generated_zoo")
class Subclassed(keras.Model):
    """The parts in a model whose call says nothing of training."""

    def __init__(self, spec: Any, ours: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spec, self.ours = Spec(*spec), ours
        with precision_of(self.spec):
            self.parts = Parts(self.spec, PAIRS[self.spec.layer][0 if ours else 1])
        self.tracked = self.parts.layers

    def call(self, inputs: Any) -> Any:
        return self.parts(*inputs) if isinstance(inputs, (list, tuple)) else self.parts(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "spec": list(self.spec), "ours": self.ours}


def inputs_of(spec: Spec) -> list[Any]:
    if spec.mask == "mask_zero":
        return [keras.Input((spec.length,), dtype="int32", name="token_ids")]
    frames = (2,) if spec.wrapper == "over frames" else ()
    x = keras.Input((spec.length, *frames, FEATURES), name="x")
    return [x, keras.Input((spec.length,), dtype="bool", name="mask")] if spec.mask == "an input" else [x]


def arrays_of(spec: Spec, rows: int = 5, seed: int = 0) -> list[np.ndarray]:
    """Inputs with steps masked at the beginning, within and at the end, and a row that is masked whole."""
    random = np.random.default_rng(seed)
    counts = random.random((rows, STEPS)) < 0.8
    if rows > 3:
        counts[0, :3], counts[1, -3:], counts[2, 4] = False, False, False
        counts[3] = spec.head == "pooled"  # whose mean over no steps is NaN
    if spec.mask == "mask_zero":
        return [np.where(counts, random.integers(1, WORDS, (rows, STEPS)), 0).astype("int32")]
    frames = (2,) if spec.wrapper == "over frames" else ()
    x = random.standard_normal((rows, STEPS, *frames, FEATURES)).astype("float32")
    if spec.mask == "Masking":
        x[~counts] = 0
    return [x, counts] if spec.mask == "an input" else [x]


def model_of(spec: Spec, ours: bool) -> keras.Model:
    """The model with our layers or Keras's, its weights drawn from a seed."""
    pair: Pair = PAIRS[spec.layer]
    with precision_of(spec):
        model = _built(spec, pair[0 if ours else 1], ours)
    random = np.random.default_rng(1)
    weights = [0.4 * random.standard_normal(variable.shape) for variable in model.weights]
    model.set_weights([w**2 if "variance" in variable.path else w for variable, w in zip(model.weights, weights)])
    return model


def _built(spec: Spec, make: Callable[..., Any], ours: bool) -> keras.Model:
    if spec.style == "subclassed":
        model = Subclassed(spec, ours)
        given = arrays_of(spec)
        model(given if len(given) > 1 else given[0])
        return model
    inputs, parts = inputs_of(spec), Parts(spec, make)
    if spec.style == "sequential":
        return keras.Sequential([inputs[0], *parts.layers])
    outputs = parts(*inputs)
    if spec.style == "dictionary":
        names = ("logits", "state")
        outputs = dict(zip(names, outputs)) if isinstance(outputs, list) else {"logits": outputs}
        return keras.Model({value.name: value for value in inputs}, outputs)
    model = keras.Model(inputs, outputs)
    if spec.style == "nested":
        again = inputs_of(spec)
        model = keras.Model(again, model(again if len(again) > 1 else again[0]))
    return model
