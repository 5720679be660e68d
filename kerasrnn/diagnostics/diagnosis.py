"""One verdict on the gradient through time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasrnn.diagnostics._batch import check_inputs, check_model, check_steps, first_rows, has_fixed_rows, split_batch
from kerasrnn.diagnostics._recording import RecordedLayer, Recording
from kerasrnn.diagnostics.clipping import clipped_share, gradient_norm
from kerasrnn.diagnostics.gates import SaturatedGates, gates_of
from kerasrnn.diagnostics.gradient_flow import LayerFlow, flow_of, losses_of
from kerasrnn.diagnostics.jacobian import LayerJacobian, jacobian_of
from kerasrnn.diagnostics.lyapunov import LayerExponents, exponents_of
from kerasrnn.diagnostics.report import draw, text_of
from kerasrnn.diagnostics.verdict import advice_on, growth_of, remaining_of, verdict_of, worst

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POSITIONS, _JACOBIAN_ROWS, _LYAPUNOV_ROWS, _EXPONENTS = 8, 4, 2, 4


@dataclass(frozen=True)
class LayerDiagnosis:
    """What was found of one recurrent layer.

    Attributes:
        name: the layer's name.
        cell: the class of its cell.
        steps: how many time steps it took.
        verdict: "exploding", "saturated", "vanishing" or "healthy".
        advice: what to try, the likeliest first; empty for a healthy layer.
        flow: the gradient by lag.
        jacobian: the recurrent Jacobian over time.
        lyapunov: the largest Lyapunov exponents, nats a step.
        gates: the saturated gates; None where the cell's cannot be seen.
        growth: the largest of the gradient's norms by the first, over all lags; 1 where it only falls.
        remaining: the norm half of all lags back, by the largest.
    """

    name: str
    cell: str
    steps: int
    verdict: str
    advice: tuple[str, ...]
    flow: LayerFlow
    jacobian: LayerJacobian
    lyapunov: LayerExponents
    gates: SaturatedGates | None
    growth: float
    remaining: float

    def figures(self) -> dict[str, float]:
        """The figures by name: half_life, growth, remaining, singular_value and spectral_radius (means over time),
        lyapunov (the largest) and, where it is known, saturated."""
        figures = {
            "half_life": self.flow.half_life,
            "growth": self.growth,
            "remaining": self.remaining,
            "singular_value": float(self.jacobian.singular_values.mean()),
            "spectral_radius": float(self.jacobian.spectral_radii.mean()),
            "lyapunov": float(self.lyapunov.exponents[0]),
        }
        return figures if self.gates is None else {**figures, "saturated": self.gates.share}


@dataclass(frozen=True)
class Diagnosis:
    """What was found of a model on a batch. `str(diagnosis)` is a table of it, with what to try.

    Attributes:
        layers: a `LayerDiagnosis` for each recurrent layer, in the order in which they are called.
        gradient_norm: the norm of the batch's gradient by all weights, before clipping; None without targets.
        clipped: the share of steps with a larger norm than the optimizer's global_clipnorm; None where neither norms
            nor targets were given, or the optimizer clips no global norm.
    """

    layers: tuple[LayerDiagnosis, ...]
    gradient_norm: float | None = None
    clipped: float | None = None

    @property
    def verdict(self) -> str:
        """That of the worst layer: "exploding", before "saturated", "vanishing" and "healthy"."""
        return worst([layer.verdict for layer in self.layers])

    @property
    def advice(self) -> list[str]:
        """What to try for the layers whose verdict is the model's."""
        return list(dict.fromkeys(a for layer in self.layers if layer.verdict == self.verdict for a in layer.advice))

    def figures(self) -> dict[str, float]:
        """All figures as "half_life/rnn_0" and so on, and gradient_norm and clipped where they are known."""
        figures = {f"{figure}/{layer.name}": value for layer in self.layers for figure, value in layer.figures().items()}
        known = {"gradient_norm": self.gradient_norm, "clipped": self.clipped}
        return figures | {name: value for name, value in known.items() if value is not None}

    def plot(self) -> "Figure":
        """Draws it all as one matplotlib figure, outside pyplot's global state: call its `savefig`."""
        return draw(self)

    def __str__(self) -> str:
        return text_of(self)


def diagnose(
    model: Any, batch: Any, loss: Any = None, rows: int | None = 8, gradient_norms: Sequence[float] | None = None,
    global_clipnorm: float | None = None,
) -> Diagnosis:  # fmt: skip
    """Tells whether a model's gradient through time vanishes, explodes, dies in saturated gates or is healthy.

    Takes together what `gradient_flow`, `recurrent_jacobian`, `lyapunov_exponents` and `saturated_gates` measure on one
    batch. The verdict on a layer, the first that holds:

    - exploding: further back the gradient is more than 10 times as large as at the loss;
    - saturated: more than half of the gates' values are at their limits, in the mean of the gates;
    - vanishing: half of all lags back, less than 1/1024 of it is left;
    - healthy.

    It depends on the length of the batch's sequences, as vanishing does: give windows as long as those of training.

    Args:
        model: a built Keras model with recurrent layers, compiled or not. It is left as it is.
        batch: (inputs, targets) as in `fit`, inputs alone, or a `tf.data.Dataset`, of which the first batch is taken.
        loss: as in `gradient_flow`.
        rows: how many of the batch's rows to use; None for all.
        gradient_norms: norms of training steps' gradients before clipping, for the share of clipped steps: see
            `clipped_share`. The batch's own by default.
        global_clipnorm: what they are clipped to; the compiled optimizer's by default.

    Returns:
        A `Diagnosis`.

    Raises:
        TypeError, ValueError: as `gradient_flow`.

    Example:

    >>> import keras, numpy as np, kerasrnn
    >>> keras.utils.set_random_seed(0)
    >>> rnn = kerasrnn.layers.SimpleRNN(8, recurrent_initializer=keras.initializers.Identity(0.2))
    >>> model = keras.Sequential([keras.Input((24, 2)), rnn, keras.layers.Dense(1)])
    >>> diagnosis = diagnose(model, np.random.default_rng(0).normal(size=(4, 24, 2)).astype("float32"))
    >>> diagnosis.verdict, diagnosis.advice[0]
    ('vanishing', 'Use a gated cell: kerasrnn.cells.LSTMCell or GRUCell.')
    """
    check_model(model)
    inputs, targets = split_batch(batch)
    inputs = check_inputs(inputs, rows, model)
    targets = targets if targets is None or has_fixed_rows(model) else first_rows(targets, rows)
    recording = Recording(model, inputs)
    check_steps(recording.layers)
    flows = flow_of(recording, losses_of(recording, model, targets, loss), None, _POSITIONS)
    layers = tuple(_layer(recorded, flow) for recorded, flow in zip(recording.layers, flows))
    norm = None if targets is None else gradient_norm(model, inputs, targets, loss)
    if global_clipnorm is None:
        global_clipnorm = getattr(getattr(model, "optimizer", None), "global_clipnorm", None)
    if gradient_norms is None and norm is not None:
        gradient_norms = [norm]
    known = gradient_norms is not None and global_clipnorm is not None
    return Diagnosis(layers, norm, clipped_share(gradient_norms, global_clipnorm) if known else None)


def _layer(recorded: RecordedLayer, flow: LayerFlow) -> LayerDiagnosis:
    gates = gates_of(recorded)
    growth, remaining = growth_of(flow.norms), remaining_of(flow.norms)
    verdict = verdict_of(growth, remaining, None if gates is None else gates.share)
    return LayerDiagnosis(
        name=recorded.name,
        cell=type(recorded.layer.cell).__name__,
        steps=recorded.steps,
        verdict=verdict,
        advice=tuple(advice_on(verdict, recorded.layer.cell, recorded.steps)),
        flow=flow,
        jacobian=jacobian_of(recorded, _POSITIONS, _JACOBIAN_ROWS),
        lyapunov=exponents_of(recorded, _EXPONENTS, None, _LYAPUNOV_ROWS),
        gates=gates,
        growth=growth,
        remaining=remaining,
    )
