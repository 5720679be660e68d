"""Examinations of a recurrent layer: what Keras lets one do with it."""

from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.testing._examination import DoesNotApply, Findings, examination
from kerasrnn.testing._results import results
from kerasrnn.testing._sequences import ALL, NEAR
from kerasrnn.testing._subject import LayerSubject, weights_of

SINGLE = 1e-5  # float32, over a sequence


@examination("outputs have the shapes that the layer foretells", "return_sequences and return_state are Keras's options")
def shapes(subject: LayerSubject, findings: Findings) -> None:
    sequences = subject.sequences()
    for return_sequences in (False, True):
        for return_state in (False, True):
            layer = subject.layer(return_sequences=return_sequences, return_state=return_state)
            where = f" with return_sequences={return_sequences}, return_state={return_state}"
            received = [tuple(o.shape) for o in keras.tree.flatten(layer(sequences))]
            foretold = _shapes(layer.compute_output_shape(sequences.shape))
            findings.require(received == foretold, f"outputs{where}", f"compute_output_shape's {foretold}", received,
                             "make compute_output_shape agree with call")  # fmt: skip
            symbolic = keras.tree.flatten(layer(keras.Input((None, subject.features), dtype="float64")))
            static = [(None, None, *s[2:]) if len(s) == 3 else (None, *s[1:]) for s in received]
            found = [tuple(o.shape) for o in symbolic]
            findings.require(found == static, f"outputs for keras.Input((None, {subject.features})){where}", static, found,
                             "take the numbers of rows and steps from tensors: keras.ops.shape")  # fmt: skip


def _shapes(nested: Any) -> list[tuple[int | None, ...]]:
    if all(size is None or isinstance(size, int) for size in nested):
        return [tuple(nested)]
    return [shape for part in nested for shape in _shapes(part)]


@examination("no row of a batch sees another", "the layer must take any number of rows")
def rows(subject: LayerSubject, findings: Findings) -> None:
    layer, sequences = subject.layer(**ALL), subject.sequences()
    chosen = [subject.batch_size - 1, 0]
    whole, part = (keras.tree.flatten(layer(some)) for some in (sequences, tf.gather(sequences, chosen)))
    for i, (alone, among) in enumerate(zip(part, whole)):
        findings.equal(f"last state {i - 1}" if i else "output", alone, tf.gather(among, chosen), NEAR,
                       f"rows {chosen} alone give other numbers than in the batch: never reduce over axis 0")  # fmt: skip


@examination("a masked step is as if it were not there", "the layer must take mask=(batch, time) booleans")
def masks(subject: LayerSubject, findings: Findings) -> None:
    layer = subject.layer(**ALL, go_backwards=False, zero_output_for_mask=False)
    sequences, states = subject.sequences(), subject.states(layer)
    rows, kept = np.arange(subject.batch_size)[:, None], subject.num_steps // 2
    # As many steps in each row, so that the rows without the masked steps are one batch.
    t = np.arange(kept)
    places = {
        "right-padded": t + 0 * rows,
        "left-padded": t + subject.num_steps - kept + 0 * rows,
        "interior": 2 * t + rows % (subject.num_steps - 2 * kept + 2),
    }
    remedy = "hand mask on to the loop: masked steps leave the states, and repeat the last output"
    for kind, place in places.items():
        mask = np.zeros((subject.batch_size, subject.num_steps), bool)
        mask[rows, place] = True
        # What stands at masked steps must not matter.
        disturbed = tf.where(mask[:, :, None], sequences, sequences + 7)
        outputs, *last = keras.tree.flatten(layer(disturbed, initial_state=states, mask=tf.constant(mask)))
        without = tf.gather(sequences, place, batch_dims=1)
        expected, *expected_last = keras.tree.flatten(layer(without, initial_state=states))
        unmasked = tf.gather(outputs, place, batch_dims=1)
        findings.equal(f"outputs at unmasked steps ({kind})", unmasked, expected, NEAR, remedy)
        for i, (ours, theirs) in enumerate(zip(last, expected_last)):
            findings.equal(f"last state {i} ({kind})", ours, theirs, NEAR, remedy)
    nothing = tf.zeros((subject.batch_size, subject.num_steps), tf.bool)
    _, *last = keras.tree.flatten(layer(sequences, initial_state=states, mask=nothing))
    for i, (ours, initial) in enumerate(zip(last, keras.tree.flatten(states))):
        findings.equal(f"last state {i} of rows of padding only", ours, initial, NEAR, remedy)


@examination("the reference layer gives the same", "both layers must take the same inputs and have the same states")
def reference_layer(subject: LayerSubject, findings: Findings) -> None:
    theirs = subject.reference_layer
    if theirs is None:
        raise DoesNotApply("no reference_layer was given")
    layer = subject.layer(**ALL)
    sizes = subject.features, subject.batch_size, subject.num_steps, subject.seed
    reference = LayerSubject(theirs, *sizes).layer(**ALL, go_backwards=layer.go_backwards)
    ours, others = ([tuple(w.shape) for w in weights_of(each)] for each in (layer, reference))
    if not findings.require(ours == others, "shapes of the weights", f"reference_layer's {others}", ours,
                            "give both layers the same sizes, and create the weights in the same order"):  # fmt: skip
        return
    for to, source in zip(weights_of(reference), weights_of(layer)):
        to.assign(source)
    sequences, states = subject.sequences(), subject.states(layer)
    for name, mask in {"no mask": None, **subject.masks()}.items():
        received, expected = (
            results(each, sequences, states, mask, training=subject.training) for each in (layer, reference)
        )
        for (what, numbers), expected_numbers in zip(received.items(), expected.values(), strict=True):
            findings.equal(f"{what} ({name})", numbers, expected_numbers, NEAR, "the two layers compute different things")


@examination("a stateful layer carries its states, and resets them", "stateful must be handed on to keras.layers.RNN")
def stateful(subject: LayerSubject, findings: Findings) -> None:
    if any(keras.tree.is_nested(size) for size in subject.layer().state_size):
        raise DoesNotApply("Keras's reset_state takes no states within states, as a stack of cells has them")
    if getattr(subject.layer(), "trainable_initial_state", False):
        raise DoesNotApply("a layer with trained initial states is not stateful")
    options = {**ALL, "go_backwards": False}
    whole, carrying = subject.layer(**options), subject.layer(**options, stateful=True)
    sequences, half = subject.sequences(), subject.num_steps // 2
    outputs, *last = keras.tree.flatten(whole(sequences))
    for turn in ("at first", "after reset_state()"):
        parts = [keras.tree.flatten(carrying(part)) for part in (sequences[:, :half], sequences[:, half:])]
        remedy = "start from self.states when there is no initial_state; reset_state must set them to the initial ones"
        findings.equal(f"outputs of two halves, {turn}", tf.concat([p[0] for p in parts], axis=1), outputs, NEAR, remedy)
        for i, (ours, theirs) in enumerate(zip(parts[-1][1:], last)):
            findings.equal(f"last state {i} of two halves, {turn}", ours, theirs, NEAR, remedy)
        carrying.reset_state()


@examination("keras.layers.Bidirectional wraps it", "Bidirectional makes the backward layer from the configuration")
def bidirectional(subject: LayerSubject, findings: Findings) -> None:
    options = {"return_sequences": True, "return_state": False, "zero_output_for_mask": True}
    forward, backward = (subject.layer(**options, go_backwards=way) for way in (False, True))
    with subject.custom_objects():
        both = keras.layers.Bidirectional(subject.layer(**options, go_backwards=False), dtype="float64")
    sequences = subject.sequences()
    both.build(sequences.shape)
    for layer in (both.forward_layer, both.backward_layer):
        subject.assign(layer)
    # Keras's unrolled loop puts the zeros of a mask where they belong only without go_backwards.
    masks = {} if forward.unroll else subject.masks()
    for name, mask in {"no mask": None, **masks}.items():
        turned = forward(tf.reverse(sequences, [1]), mask=None if mask is None else tf.reverse(mask, [1]))
        findings.equal(f"output with go_backwards ({name})", backward(sequences, mask=mask), turned, NEAR,
                       "go_backwards must give what the layer gives for the steps in their reverse order")  # fmt: skip
        halves = forward(sequences, mask=mask), tf.reverse(turned, [1])
        findings.equal(f"output ({name})", both(sequences, mask=mask), tf.concat(halves, axis=-1), NEAR,
                       "get_config must say all that the layer computes by")  # fmt: skip


@examination("functional and subclassed models compute what it does", "the layer must work on symbolic inputs")
def models(subject: LayerSubject, findings: Findings) -> None:
    layer = subject.layer("float32", return_sequences=True, return_state=False)
    mask = subject.masks()["interior mask"]
    sequences = tf.where(mask[:, :, None], subject.sequences("float32"), 0.0)

    class Subclassed(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.masking, self.layer = keras.layers.Masking(), layer

        def call(self, sequences: Any, training: bool = False) -> Any:
            return self.layer(self.masking(sequences), training=training)

    inputs = keras.Input((None, subject.features))
    functional = keras.Model(inputs, layer(keras.layers.Masking()(inputs)))
    expected = layer(sequences, mask=mask)
    for name, model in {"functional": functional, "subclassed": Subclassed()}.items():
        with findings.attempt(f"a {name} model", models.remedy):
            findings.equal(f"output of a {name} model with a Masking layer", model(sequences), expected, SINGLE,
                           "take the mask as an argument of call, named mask")  # fmt: skip
    given = layer.compute_mask(sequences, mask)
    findings.require(given is mask, "compute_mask with return_sequences", "the mask itself", given, "let Keras define it")


@examination("model.fit reduces a loss", "a layer must train under model.fit")
def fit(subject: LayerSubject, findings: Findings) -> None:
    layer = subject.layer("float32", quiet=False, return_sequences=False, return_state=False)
    dense = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(seed=subject.seed))
    model = keras.Sequential([keras.Input((subject.num_steps, subject.features)), layer, dense])
    model.compile(keras.optimizers.Adam(0.02), "mse")
    sequences = subject.numbers((32, subject.num_steps, subject.features), 50, "float32")
    targets = 1 + tf.reduce_mean(sequences, axis=[1, 2])
    losses = model.fit(sequences, targets, epochs=8, batch_size=16, shuffle=False, verbose=0).history["loss"]
    findings.require(losses[-1] < losses[0], "loss after 8 epochs", f"less than the first, {losses[0]:.3g}",
                     f"{losses[-1]:.3g}", "look at the gradients: do they reach every weight?")  # fmt: skip
