"""The full examination of a recurrent layer."""

from typing import Any

from kerasrnn._backend import keras
from kerasrnn.testing import _layer as layer_by_itself
from kerasrnn.testing import _sequences as sequences
from kerasrnn.testing import _serialisation as serialisation
from kerasrnn.testing._examination import run_examinations
from kerasrnn.testing._subject import LayerSubject, reproducible
from kerasrnn.testing.report import Report

EXAMINATIONS = (
    layer_by_itself.shapes,
    layer_by_itself.reference_layer,
    layer_by_itself.rows,
    layer_by_itself.masks,
    sequences.gradients,
    sequences.loop,
    sequences.runs,
    sequences.precision,
    sequences.empty,
    layer_by_itself.stateful,
    layer_by_itself.bidirectional,
    layer_by_itself.models,
    layer_by_itself.fit,
    serialisation.configuration,
    serialisation.saving,
)


def check_layer(
    layer: Any,
    reference_layer: Any = None,
    *,
    features: int = 3,
    batch_size: int = 3,
    num_steps: int = 6,
    seed: int = 0,
    verbose: bool = True,
) -> Report:
    """Examines a recurrent layer from every side: takes seconds, and raises one error that lists all that is wrong.

    | examination | finds |
    | --- | --- |
    | shapes | outputs of other shapes than `compute_output_shape` and a symbolic call say |
    | reference_layer | outputs, states or gradients unlike those of another layer with the same weights |
    | rows | a row of the batch that sees another |
    | masks | masked steps that change states or unmasked outputs |
    | gradients | gradients of inputs, initial states or weights unlike finite differences, in float64 |
    | loop | a fused scan unlike Keras's loop around the same cell, under every kind of mask |
    | runs | eager, `tf.function` and XLA that disagree |
    | precision | mixed_float16 or mixed_bfloat16 that overflow, lose the dtype or leave float32's neighbourhood |
    | empty | no rows or no steps that fail, or that change the states |
    | stateful | states that are not carried from batch to batch, or not reset |
    | bidirectional | a `go_backwards` that is not the reverse; a layer that `keras.layers.Bidirectional` does not wrap |
    | models | functional or subclassed models, with masks of their own, that compute something else |
    | fit | training that does not reduce a loss |
    | configuration | arguments that `get_config` forgets |
    | saving | models or weights files that do not give back the same |

    The layer may be built or not and stays as it is: copies are made from its configuration, with other weights, all of
    them different. Where numbers are compared, the copies are without dropout and other noise, and without truncation.

    Args:
        layer: the layer, `kerasrnn.layers.RNN` or any other subclass of `keras.layers.RNN`.
        reference_layer: a layer that must compute the same from the same weights, such as one of Keras's.
        features: width of the inputs.
        batch_size: rows of the inputs, at least 2.
        num_steps: length of the sequences, at least 4.
        seed: seed of the weights and inputs.
        verbose: whether to print a line as each examination finishes.

    Returns:
        The `Report`: for each examination its outcome, largest difference, tolerance and time.

    Raises:
        CheckError: an examination failed; an AssertionError, which lists every failure and what to do about it.
        TypeError: a layer is not a recurrent one.
        ValueError: a size is too small to show anything.

    Example:

    >>> import keras, kerasrnn
    >>> layer = kerasrnn.layers.SimpleRNN(4)
    >>> report = kerasrnn.testing.check_layer(layer, keras.layers.SimpleRNN(4), verbose=False)
    >>> report["reference_layer"].outcome, report["reference_layer"].difference < 1e-12
    ('passed', True)
    """
    for name, value in (("layer", layer), ("reference_layer", reference_layer)):
        if not isinstance(value, keras.layers.RNN) and (name == "layer" or value is not None):
            raise TypeError(f"{name}: expected an instance of keras.layers.RNN or of a subclass; received {value!r}")
    subject = LayerSubject(layer, features, batch_size, num_steps, seed, reference_layer)
    with reproducible(seed):
        return run_examinations(EXAMINATIONS, subject, verbose)
