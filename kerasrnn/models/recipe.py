"""The hyperparameters of a language model and of its training, and what Keras takes for them."""

import math
import numbers
from dataclasses import dataclass
from typing import Any

from kerasrnn._backend import keras
from kerasrnn.cells import GRUCell, LSTMCell, MinGRUCell, SimpleRNNCell
from kerasrnn.scan import TRUNCATIONS

CELLS = {"lstm": LSTMCell, "gru": GRUCell, "simple_rnn": SimpleRNNCell, "min_gru": MinGRUCell}
OPTIMIZERS = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
SCHEDULES = ("cosine", "constant", "decay")
AVERAGING = ("ema", "nt_asgd")

_CHOICES = {"cell": (*CELLS,), "optimizer": (*OPTIMIZERS,), "schedule": SCHEDULES, "truncation": TRUNCATIONS}
_LEAST = {
    "units": 1, "layers": 1, "epochs": 1, "batch_size": 1, "num_steps": 1, "warmup_steps": 0, "decay_after": 0,
}  # fmt: skip
_SHARES = ("dropout", "input_dropout", "output_dropout", "embedding_dropout", "weight_drop")
_POSITIVE = {"learning_rate": 0.002, "decay": 0.5, "initial_scale": 0.1, "initial_gain": 0.5}
_AT_LEAST_0 = {
    "clip_norm": "0: no clipping",
    "weight_decay": "0: none",
    "activity_regularization": "0: none",
    "temporal_activity_regularization": "0: none",
}
_MAY_BE_NONE = ("input_dropout", "output_dropout", "initial_scale", "initial_gain")


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a language model and of its training.

    Args:
        cell: "lstm", "gru", "simple_rnn" or "min_gru".
        units: Width of a layer.
        layers: Number of recurrent layers.
        embedding: Width of the embedding, "one_hot" for one-hot vectors, or None for `units`.
        dropout: Share of the embedding and of each layer's outputs dropped in training, in [0, 1).
        input_dropout: That share for the embedding, if it is another.
        output_dropout: That share for the last layer's outputs, if it is another.
        embedding_dropout: Share of the words whose embeddings are dropped.
        locked_dropout: Whether dropout leaves out the same features at all steps of a window.
        weight_drop: Share of each recurrent kernel dropped in training.
        activity_regularization: Weight of the penalty on large outputs, AR.
        temporal_activity_regularization: Weight of the penalty on outputs that change, TAR.
        tie_embeddings: Whether the output layer is the embedding transposed; the last layer then has the embedding's width.
        initial_scale: s, where all weights and biases begin uniform in [−s, s]; None for Keras's own initializers.
        initial_gain: How many times the values of Keras's own initializers all kernels begin with; not with
            `initial_scale`. None for once.
        truncate: τ of truncated backpropagation through time within a window; None for the full gradient.
        truncation: "regular" (segments of τ steps) or "randomized".
        checkpoint_steps: Keep every k-th state only, and compute the others again for the gradient; None for all.
        stateful: Whether states go on from batch to batch, the text being cut into `batch_size` streams; otherwise
            windows are random.
        epochs: Passes over the training text.
        batch_size: Windows in a batch.
        num_steps: Tokens in a window.
        variable_steps: Whether the windows' lengths vary about `num_steps`, and the learning rate with them; needs
            `stateful`.
        optimizer: "adam", which with `weight_decay` is AdamW, or "sgd".
        learning_rate: The learning rate at the start of the schedule.
        schedule: "cosine", down to 0 at the end of the last epoch; "constant"; or "decay", by a factor each epoch.
        warmup_steps: Batches over which a cosine schedule first rises from 0.
        decay: Factor of "decay".
        decay_after: Epochs before the first decay: epoch e, from 0 on, has the rate
            learning_rate · decay^max(e + 1 − decay_after, 0).
        clip_norm: The largest norm of the gradient; a larger one is scaled down to it. 0 for no clipping.
        summed_loss: Whether `learning_rate` and `clip_norm` are those of a loss that is summed over a window's steps, as in
            Zaremba et al. (2014), and averaged over rows only; so for SGD.
        weight_decay: Share of the weights taken off at each step, times the learning rate. 0 for none.
        averaging: "ema" for an exponential moving average of the weights, with the momentum 0.99; "nt_asgd" for their mean
            once the validation loss has stopped improving; None for none. Validation, and the model in the end, have the
            average.

    Raises:
        ValueError: If a value is outside its range.

    Example:

    >>> import kerasrnn
    >>> recipe = kerasrnn.models.Recipe(cell="gru", units=8, layers=2, optimizer="sgd", learning_rate=0.1)
    >>> model = kerasrnn.models.LanguageModel(vocabulary_size=5, **recipe.network())
    >>> model.compile(**recipe.compile(steps_per_epoch=100))
    >>> model.state_names
    ['state_0_h', 'state_1_h']
    """

    cell: str = "lstm"
    units: int = 256
    layers: int = 2
    embedding: int | str | None = None
    dropout: float = 0.0
    input_dropout: float | None = None
    output_dropout: float | None = None
    embedding_dropout: float = 0.0
    locked_dropout: bool = False
    weight_drop: float = 0.0
    activity_regularization: float = 0.0
    temporal_activity_regularization: float = 0.0
    tie_embeddings: bool = False
    initial_scale: float | None = None
    initial_gain: float | None = None
    truncate: int | None = None
    truncation: str = "regular"
    checkpoint_steps: int | None = None
    stateful: bool = False
    epochs: int = 10
    batch_size: int = 32
    num_steps: int = 64
    variable_steps: bool = False
    optimizer: str = "adam"
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    warmup_steps: int = 0
    decay: float = 0.5
    decay_after: int = 4
    clip_norm: float = 1.0
    summed_loss: bool = False
    weight_decay: float = 0.0
    averaging: str | None = None

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        if self.averaging is not None:
            check_choice("averaging", self.averaging, AVERAGING)
        for name, least in _LEAST.items():
            check_integer(name, getattr(self, name), least)
        for name in ("truncate", "checkpoint_steps"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1)
        for name in ("locked_dropout", "tie_embeddings", "stateful", "variable_steps", "summed_loss"):
            check_boolean(name, getattr(self, name))
        for name in (*_SHARES, *_POSITIVE, *_AT_LEAST_0):
            if name not in _MAY_BE_NONE or getattr(self, name) is not None:
                self._check_number(name, getattr(self, name))
        if self.initial_gain is not None and self.initial_scale is not None:
            raise ValueError(
                f"initial_gain: expected None beside initial_scale={self.initial_scale}, which replaces the initializers that "
                f"it would multiply; received {self.initial_gain}. Leave one of the two out."
            )
        if self.variable_steps and not self.stateful:
            raise ValueError("variable_steps must be false without stateful, but is True: set stateful too.")
        if self.warmup_steps and self.schedule != "cosine":
            raise ValueError(
                f"warmup_steps must be 0 with the schedule {self.schedule!r}, but is {self.warmup_steps}. Set it to 0, or "
                "take 'cosine'."
            )
        if self.summed_loss and self.optimizer != "sgd":
            raise ValueError(
                f"summed_loss must be false with the optimizer {self.optimizer!r}, whose steps have the same size whatever "
                "the loss's scale, but is True: leave it out, or take 'sgd'."
            )

    def _check_number(self, name: str, value: Any) -> None:
        expected, fits = f"a number of at least 0 ({_AT_LEAST_0.get(name)})", lambda: 0 <= value < math.inf
        if name in _SHARES:  # whether it lies in [0, 1) the model checks
            expected, fits = "a share in [0, 1)", lambda: True
        elif name in _POSITIVE:
            expected, fits = "a positive number", lambda: 0 < value < math.inf
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not fits():
            hint = f" Try {_POSITIVE[name]}." if name in _POSITIVE else ""
            raise ValueError(f"{name} must be {expected}, but is {value!r}.{hint}")

    def network(self, dtype: Any = None) -> dict[str, Any]:
        """The arguments of a `LanguageModel` other than its vocabulary; weights begin at new random values with each call.

        Args:
            dtype: The dtype policy, as in `keras.layers.Layer`.
        """
        widths = [self.units] * self.layers
        if self.tie_embeddings and isinstance(self.embedding, int):
            widths[-1] = self.embedding
        names = (
            "embedding", "dropout", "input_dropout", "output_dropout", "embedding_dropout", "locked_dropout", "weight_drop",
            "activity_regularization", "temporal_activity_regularization", "tie_embeddings", "stateful", "truncate",
            "truncation", "checkpoint_steps",
        )  # fmt: skip
        arguments = {name: getattr(self, name) for name in names} | {"initializer": self.initial_gain}
        if self.initial_scale is not None:
            arguments |= self._initializers("embeddings", "kernel", "bias")
        return {"cells": [self._cell(width, dtype) for width in widths], **arguments, "dtype": dtype}

    def _cell(self, units: int, dtype: Any) -> keras.layers.Layer:
        arguments: dict[str, Any] = {}
        if self.initial_scale is not None:
            arguments = self._initializers("kernel", "recurrent", "bias")
            if self.cell == "lstm":
                arguments["unit_forget_bias"] = False
        return CELLS[self.cell](units, dtype=dtype, **arguments)

    def _initializers(self, *names: str) -> dict[str, Any]:
        # One each, for an initializer gives all weights of a shape the same values.
        scale = self.initial_scale
        return {f"{name}_initializer": keras.initializers.RandomUniform(-scale, scale) for name in names}

    def compile(self, steps_per_epoch: int) -> dict[str, Any]:
        """The arguments of `LanguageModel.compile`: a new optimizer.

        Args:
            steps_per_epoch: Batches in an epoch, which the schedule counts by.
        """
        # Keras's loss is a mean over all tokens, with the gradient g. Of the sum over steps it is num_steps · g, and
        # rate · clip(num_steps · g, norm) = (rate · num_steps) · clip(g, norm / num_steps): the same step.
        scale = self.num_steps if self.summed_loss else 1
        options: dict[str, Any] = {"weight_decay": self.weight_decay / scale} if self.weight_decay else {}
        if self.averaging == "ema":
            options["use_ema"] = True
        clip_norm = self.clip_norm / scale or None
        rate = self._rate(self.learning_rate * scale, steps_per_epoch)
        return {"optimizer": OPTIMIZERS[self.optimizer](rate, global_clipnorm=clip_norm, **options)}

    def _rate(self, rate: float, steps_per_epoch: int) -> Any:
        if self.schedule == "cosine":
            steps = self.epochs * steps_per_epoch
            if not self.warmup_steps:
                return keras.optimizers.schedules.CosineDecay(rate, steps)
            rest = max(steps - self.warmup_steps, 1)
            return keras.optimizers.schedules.CosineDecay(0.0, rest, warmup_target=rate, warmup_steps=self.warmup_steps)
        first = max(self.decay_after, 1)  # the epoch before which the rate first changes
        if self.schedule == "decay" and self.epochs > first:
            starts = range(first, self.epochs)
            rates = [rate * self.decay ** max(epoch + 1 - self.decay_after, 0) for epoch in (first - 1, *starts)]
            # A boundary is the last step with the rate before it.
            return keras.optimizers.schedules.PiecewiseConstantDecay([e * steps_per_epoch - 1 for e in starts], rates)
        if self.schedule == "decay":
            return rate * self.decay ** max(1 - self.decay_after, 0)
        return rate


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, but is {value!r}.")


def check_integer(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, but is {value!r}.")


def check_boolean(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, but is {value!r}.")
