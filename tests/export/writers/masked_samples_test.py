"""Samples with masked steps, and the proof on them."""

import numpy as np
import pytest
from masked_models import FEATURES, SOURCES, UNITS, build, hard_inputs

from kerasrnn._backend import keras, tf
from kerasrnn.export import ParityError
from kerasrnn.export.writers._masked_samples import masked_samples
from kerasrnn.export.writers._model_io import forward_signature
from kerasrnn.export.writers._samples import samples_for
from kerasrnn.export.writers._signatures import keras_functions, signatures_of
from kerasrnn.export.writers._verification import verify

layers = keras.layers


def test_a_mask_that_hides_none_of_the_samples_is_reported():
    x = keras.Input((None, FEATURES), name="x")
    h = layers.Masking(77.25, name="never")(layers.Dense(3, "tanh")(x))
    with pytest.warns(UserWarning, match="gru.*, a GRU, is given a mask: expected samples with steps that it hides"):
        assert "step" in signatures_of(keras.Model(x, layers.GRU(3)(h)))


@pytest.mark.parametrize("given", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("source", SOURCES)
def test_samples_have_masked_steps_in_every_place(source, given):
    """At the beginning, in the middle, at the end and all over a row; in samples of the user's, too."""
    model, signature, parts = build("keras GRU", source, "sequences", "functional")
    forward = forward_signature(model, signature)
    samples = hard_inputs(parts.source, np.random.default_rng(5)) if given else None
    if given:
        # None of these steps is masked.
        samples = {name: np.tile(value[-1:], (3, 3, *[1] * (value.ndim - 2))) for name, value in samples.items()}
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


@pytest.mark.parametrize("fault", ["no mask in forward", "no last output in step"])
def test_the_proof_sees_what_is_wrong_at_masked_steps_alone(fault):
    """Random samples mask nothing: on them the faulty ones compute the same."""
    x = keras.Input((None, FEATURES), name="x")
    layer, head = layers.GRU(UNITS, return_sequences=True), layers.Dense(2, name="score")
    model = keras.Model(x, head(layer(layers.Masking(-1.5)(x))))
    without_mask = keras.Model(x, head(layer(x)))
    signatures = signatures_of(model)
    forward = signatures["forward"]
    samples = {name: value[:, :20] for name, value in samples_for(model, forward, None).items()}
    reference = keras_functions(signatures)
    states = signatures["step"].states
    if fault == "no mask in forward":
        faulty = {**reference, "forward": keras_functions({"forward": forward_signature(without_mask)})["forward"]}
    else:
        step = reference["step"]
        faulty = {**reference, "step": lambda inputs: step({**inputs, "state_0_output": 0 * inputs["state_0_output"]})}
    verify(reference, faulty, samples, states)
    verify(reference, reference, samples, states, masked=forward.masked)
    with pytest.raises(ParityError, match="masked steps, FAILED"):
        verify(reference, faulty, samples, states, masked=forward.masked)
