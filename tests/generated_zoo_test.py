"""Models made by chance from parts train, predict, save, export and stream with our layers as with Keras's."""

import keras
import numpy as np
import pytest
from generated_zoo import Spec, arrays_of, inputs_of, model_of, specs

from kerasrnn.export import export_onnx, runtime

EVERY = specs(220)
FEW = {*EVERY[3::44]}
TOLERANCE = {"float32": 2e-5, "mixed_bfloat16": 0.1, "mixed_float16": 0.02}


def given_of(spec: Spec, arrays):
    if spec.style == "dictionary":
        return dict(zip((value.name for value in inputs_of(spec)), arrays, strict=True))
    return arrays if len(arrays) > 1 else arrays[0]


def flat(values):
    return [np.asarray(value, "float32") for value in keras.tree.flatten(values)]


def assert_near(received, expected, tolerance):
    for a, b in zip(flat(received), flat(expected), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=tolerance * max(1.0, np.abs(b).max()))


@pytest.mark.parametrize("spec", [pytest.param(s, id=str(s), marks=[] if s in FEW else pytest.mark.slow) for s in EVERY])
def test_it_does_what_it_does_with_keras_s_layers(spec, tmp_path):
    ours, theirs = (model_of(spec, mine) for mine in (True, False))
    tolerance = TOLERANCE[spec.precision]
    given = given_of(spec, arrays_of(spec))
    expected = theirs.predict(given, verbose=0)
    for batch_size in (1, 3, 5):
        assert_near(ours.predict(given, batch_size=batch_size, verbose=0), expected, tolerance)

    random = np.random.default_rng(2)
    targets = keras.tree.map_structure(lambda value: random.standard_normal(value.shape).astype("float32"), expected)
    losses = []
    for model in (ours, theirs):
        model.compile(keras.optimizers.SGD(0.01), "mse")
        losses.append(model.fit(given, targets, batch_size=3, epochs=2, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=10 * tolerance)
    assert_near(ours.predict(given, verbose=0), theirs.predict(given, verbose=0), 10 * tolerance)

    ours.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_near(again.predict(given, verbose=0), ours.predict(given, verbose=0), 0.0)
    exported(spec, ours, tmp_path)


def exported(spec, model, tmp_path):
    if spec.precision == "mixed_float16":
        return  # as mixed_bfloat16 is
    signature = [inputs_of(spec)] if spec.style == "subclassed" and len(inputs_of(spec)) > 1 else inputs_of(spec)
    options = {"input_signature": signature} if spec.style == "subclassed" else {}
    session = runtime.load(export_onnx(model, tmp_path / "out", **options))
    arrays = arrays_of(spec, seed=3)
    expected = flat(model.predict(given_of(spec, arrays), verbose=0))
    batch = {value.name: array for value, array in zip(inputs_of(spec), arrays, strict=True)}
    whole = session.forward(**batch)
    names = session.manifest["signatures"]["forward"]["outputs"]
    assert_near([whole[name] for name in names], expected, TOLERANCE[spec.precision])
    if "step" not in session.manifest["signatures"]:
        assert session.manifest["no_step"]
        return
    pieces, states = [], None
    for first, last in ((0, 1), (1, 4), (4, 9), (9, 10)):
        outputs, states = session.feed(states, **{name: value[:, first:last] for name, value in batch.items()})
        pieces.append(outputs)
    for name in names:
        over_time = whole[name].ndim == 3
        assert_near(np.concatenate([p[name] for p in pieces], 1) if over_time else pieces[-1][name], whole[name], 1e-5)


def test_the_zoo_is_as_large_and_as_varied_as_it_says():
    assert len(EVERY) >= 200
    for position, least in enumerate((13, 8, 4, 2, 7, 5, 3)):
        assert len({spec[position] for spec in EVERY}) >= least
