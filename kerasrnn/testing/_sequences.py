"""Examinations of a cell or layer over time: gradients, masks, ways to run, precision, nothing to read."""

from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.layers import RNN
from kerasrnn.testing._examination import DoesNotApply, Findings, examination
from kerasrnn.testing._results import RUNS, gradient_names, results, weighed_sum
from kerasrnn.testing._subject import Subject, state_names, weight_names

NEAR = 1e-9  # float64, over a sequence
SLOPE = 1e-6  # a gradient against a central difference
FINITE_STEP = 1e-5
HALF = {"mixed_float16": ("float16", 0.03), "mixed_bfloat16": ("bfloat16", 0.1)}
KINKED = 0.7  # gradients in half precision: a rounded number may lie on the other side of a kink
ALL = {"return_sequences": True, "return_state": True}
FORWARD = {**ALL, "go_backwards": False, "zero_output_for_mask": False}


@examination("gradients equal the slopes of the loss, in float64", "the layer must run in float64, within a tf.function")
def gradients(subject: Subject, findings: Findings) -> None:
    layer = subject.layer(**ALL)
    sequences, states = subject.sequences(), subject.states(layer)

    def loss_of(sequences: Any, states: list[Any]) -> Any:
        outputs = [layer(sequences, initial_state=states, training=subject.training)]
        if len(layer.weights) > len(layer.cell.weights):  # perhaps initial states of its own
            outputs.append(layer(sequences, training=subject.training))
        return weighed_sum(keras.tree.flatten(outputs))

    # Concrete, or TensorFlow would warn of retracing: it counts by code, not by function.
    loss = tf.function(loss_of).get_concrete_function(sequences, states)
    tensors = [sequences, *keras.tree.flatten(states)]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = loss(sequences, states)
    found = tape.gradient(value, [*tensors, *(w.value for w in layer.trainable_weights)], unconnected_gradients="zero")
    trained = [name for name, w in zip(weight_names(layer), layer.weights) if w.trainable]
    names = gradient_names(state_names(layer.cell), trained)
    places = [*tensors, *layer.trainable_weights]
    for stream, (name, place, gradient) in enumerate(zip(names, places, found, strict=True), 100):
        direction = subject.numbers(tuple(place.shape), stream)
        direction = direction / tf.norm(direction)

        def value_at(distance: float, place: Any = place, direction: Any = direction) -> float:
            if isinstance(place, keras.Variable):
                start = place.numpy()
                place.assign(start + distance * direction)
                value = loss(sequences, states)
                place.assign(start)
                return float(value)
            moved = [p + distance * direction if p is place else p for p in tensors]
            return float(loss(moved[0], keras.tree.pack_sequence_as(states, moved[1:])))

        slope = (value_at(FINITE_STEP) - value_at(-FINITE_STEP)) / (2 * FINITE_STEP)
        along = float(tf.reduce_sum(gradient * direction))
        if slope == along == 0 and not np.any(gradient):
            findings.notes.append(f"{name.removeprefix('gradient of ')} has no influence on any output")
        scale = max(abs(slope), 0.1 * float(tf.norm(gradient)), 1e-3)
        findings.equal(
            f"{name}, along a random direction", along, slope, SLOPE,
            "look for stop_gradient, a conversion to NumPy or float32, or a custom gradient that is wrong; a step with "
            "a kink, as relu has, may fail by chance: try another seed",
            scale=scale,
        )  # fmt: skip


LOOPS = {
    "all outputs": FORWARD,
    "the last output": {**FORWARD, "return_sequences": False},
    "go_backwards": {**FORWARD, "go_backwards": True},
    "zero_output_for_mask": {**FORWARD, "zero_output_for_mask": True},
}


@examination("the fused scan equals Keras's plain loop", "project must take (…, features), pointwise any number of rows")
def loop(subject: Subject, findings: Findings) -> None:
    if not subject.fused:
        raise DoesNotApply(f"{subject.name} does not run in the fused scan")
    for name, options in LOOPS.items():
        layer = subject.layer(**options)
        if type(layer).call is not RNN.call or type(layer).inner_loop is not RNN.inner_loop:
            raise DoesNotApply(f"{subject.name} computes what Keras's loop does not: it has a call or inner_loop of its own")
        plain = keras.layers.RNN(layer.cell, dtype="float64", **options)
        sequences, states = subject.sequences(), subject.states(layer)
        # An option of masks needs them; the others are seen without, too.
        masks = {"no mask": None, **subject.masks()} if name in ("all outputs", "the last output") else subject.masks()
        for mask_name, mask in masks.items():
            where = f" ({name}, {mask_name})"
            with findings.attempt(f"a layer{where}", loop.remedy):
                ours, theirs = (results(each, sequences, states, mask, training=subject.training) for each in (layer, plain))
                findings.all_equal(
                    ours, theirs, NEAR,
                    "pointwise must depend on its arguments and the cell's weights alone, and agree with call; project "
                    "must give a step of (…, features) what it gives it alone",
                    where,
                )  # fmt: skip
            if findings.failures:
                return


@examination("eager, tf.function and XLA give the same", "use keras.ops on tensors; XLA needs shapes known in advance")
def runs(subject: Subject, findings: Findings) -> None:
    layer = subject.layer(**ALL)
    sequences, states = subject.sequences(), subject.states(layer)
    expected = results(layer, sequences, states, training=subject.training)
    for name, wrap in RUNS.items():
        if wrap is not None:
            with findings.attempt(f"running {name}", runs.remedy):
                received = results(layer, sequences, states, training=subject.training, wrap=wrap)
                findings.all_equal(received, expected, NEAR, "a step may not read or write Python values", f" ({name})")


@examination("float16 and bfloat16 are near float32", "the step must keep the dtype of its arguments")
def precision(subject: Subject, findings: Findings) -> None:
    options = {"training": subject.training}
    single = subject.layer("float32", **ALL)
    expected = results(single, subject.sequences("float32"), subject.states(single, "float32"), **options)
    for policy, (dtype, tolerance) in HALF.items():
        remedy = "cast constants, and what is computed in float32, to the dtype of x: ops.cast(…, x.dtype)"
        with findings.attempt(f"a layer in {policy}", remedy):
            layer = subject.layer(policy, **ALL)
            received = results(layer, subject.sequences(dtype), subject.states(layer, dtype), **options)
            for name, numbers in received.items():
                kept = "float32" if name.startswith("gradient of weight") else dtype
                findings.require(numbers.dtype.name == kept, f"{name} in {policy}", kept, numbers.dtype.name, remedy)
                distance = float(np.linalg.norm(numbers.astype("float32") - expected[name]))
                size = max(float(np.linalg.norm(expected[name])), 1e-3)
                findings.equal(
                    f"{name} in {policy}, its distance from float32's over their norm", distance / size, 0.0,
                    KINKED if name.startswith("gradient") else tolerance,
                    "compute what overflows or cancels (exponentials, variances) in float32",
                )  # fmt: skip


@examination("batches of no rows and sequences of no steps", "shapes must come from tensors, not from Python constants")
def empty(subject: Subject, findings: Findings) -> None:
    layer = subject.layer(**ALL)
    if not subject.fused:
        raise DoesNotApply("Keras's own loop, which runs it, takes no sequences of no steps")
    of_any_size = tf.TensorSpec((None, None, subject.features), tf.float64)
    of_states = keras.tree.map_structure(lambda size: tf.TensorSpec((None, size), tf.float64), list(layer.state_size))
    wraps = {**RUNS, "in tf.function": lambda run: tf.function(run, [of_any_size, of_states])}
    for size, (rows, steps) in {"no rows": (0, subject.num_steps), "no steps": (subject.batch_size, 0)}.items():
        sequences = tf.zeros((rows, steps, subject.features), tf.float64)
        states = subject.states(layer, batch_size=rows)
        shape = (rows, steps, *layer.compute_output_shape((rows, steps, subject.features))[0][2:])
        for run, wrap in wraps.items():
            where = f" ({size}, {run})"
            with findings.attempt(f"a layer{where}", empty.remedy):
                received = results(layer, sequences, states, training=subject.training, wrap=wrap)
                findings.require(received["output"].shape == shape, f"output{where}", f"shape {shape}",
                                 f"shape {received['output'].shape}", empty.remedy)  # fmt: skip
                for name, state in zip(state_names(layer.cell), keras.tree.flatten(states)):
                    findings.equal(f"last state {name}{where}", received[f"last state {name}"], state, NEAR,
                                   "the initial states must pass by a sequence of no steps")  # fmt: skip
                for name in (name for name in received if name.startswith("gradient of weight")):
                    findings.equal(f"{name}{where}", received[name], np.zeros_like(received[name]), NEAR,
                                   "nothing was read: the gradient must be zero")  # fmt: skip
