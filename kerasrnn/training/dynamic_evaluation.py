"""Evaluation of a model that goes on learning from the text it is evaluated on."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.training._text_scorer import TextScorer, check_count, check_number, state_specs, steps_spec

_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class DynamicEvaluation:
    r"""How a model learns from the text that it is evaluated on, for `evaluate_text` (Krause et al., 2018).

    The text is cut into segments s_1, s_2, … of n tokens. Each is predicted with the weights θ as they are, and only then
    changes them, through its mean loss L and from the states that the segment before left; θ_g are the trained weights:

        "sgd":  θ ← θ − η ∇L(s_i) + λ (θ_g − θ)
        "rms":  θ ← θ − η ∇L(s_i) / (√MS + ε) + λ R ⊙ (θ_g − θ),   R = min(√MS / mean(√MS), 1 / λ)

    MS is the mean of (∇L(s))² over segments s of the training text at the trained weights, the mean of R's denominator
    that over all weights of the model. Dropout and other noise are off. Each document begins anew, from the trained
    weights, and these are in place again afterwards, after an error too.

    Attributes:
        method: "rms", which needs `training_text`, or "sgd".
        learning_rate: η; the default is the authors' for "rms", and "sgd" needs a far larger one. Choose both rates on
            the validation split.
        decay: λ in [0, 1], how far each segment's weights go back towards the trained ones; 0 for never.
        num_steps: n, how many tokens a segment has: all are predicted before any is learnt from.
        epsilon: ε, which bounds the step of weights whose gradients in training were small.
        training_text: What the model was trained on, or a part of it: for the gradients' size under "rms".
        rows: How many parallel streams that text is read in, for gradients of as many segments together.

    Raises:
        ValueError: If a setting is out of range, or "rms" has no training text; in `evaluate_text`, if the model has no
            tokenizer, the training text is shorter than a segment, or the model diverges.

    Example:

    >>> import kerasrnn
    >>> tokenizer = kerasrnn.tokenizers.CharTokenizer(["\ufffd", "\n", "a", "b"])
    >>> model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(8), tokenizer=tokenizer)
    >>> static = kerasrnn.training.evaluate_text(model, "ab" * 100)
    >>> settings = DynamicEvaluation("sgd", learning_rate=0.5, decay=0.0)
    >>> kerasrnn.training.evaluate_text(model, "ab" * 100, dynamic=settings).perplexity < static.perplexity
    True

    Reference: Krause, Kahembwe, Murray and Renals, 2018, "Dynamic Evaluation of Neural Sequence Models".
    """

    method: str = "rms"
    learning_rate: float = 0.002
    decay: float = 0.02
    num_steps: int = 5
    epsilon: float = 0.001
    training_text: str | None = field(default=None, repr=False)
    rows: int = 100

    def __post_init__(self) -> None:
        if self.method not in ("rms", "sgd"):
            raise ValueError(f"method must be 'rms' or 'sgd', but is {self.method!r}.")
        check_number("learning_rate", self.learning_rate, 0, _LARGEST, "a number of at least 0")
        check_number("decay", self.decay, 0, 1, "a share in [0, 1]")
        check_number("epsilon", self.epsilon, 1e-30, _LARGEST, "a positive number")
        check_count("num_steps", self.num_steps)
        check_count("rows", self.rows)
        if self.method == "rms" and not self.training_text:
            raise ValueError(
                "training_text must be a text for method='rms', which measures its gradients, but is "
                f"{self.training_text!r}. Give the text that the model was trained on, or method='sgd'."
            )

    def scorer(self, model: Any) -> TextScorer:
        """What `evaluate_text` measures in place of the model."""
        return _DynamicScorer(model, self)


class _DynamicScorer(TextScorer):
    def __init__(self, model: Any, settings: DynamicEvaluation) -> None:
        super().__init__(model, settings.num_steps)
        self.settings = settings
        self.variables = [variable.value for variable in model.trainable_variables]
        # A float16 gradient of 2⁻²⁵ would be zero.
        self._loss_scale = 1024.0 if getattr(model, "compute_dtype", None) == "float16" else 1.0
        self._segment: Any = None

    def log_likelihoods(self, text: str, verbose: bool = False) -> np.ndarray:
        trained = [tf.identity(variable) for variable in self.variables]
        try:
            return super().log_likelihoods(text, verbose)
        finally:
            for variable, value in zip(self.variables, trained):
                variable.assign(value)

    def begin(self) -> Callable[[Any, Any], Any]:
        if self._segment is None:
            self._segment = tf.function(self._read_and_learn(), [steps_spec(), steps_spec(), state_specs(self.model)])
        states, position = self.model.get_initial_state(1), 0

        def segment(token_ids: Any, targets: Any) -> np.ndarray:
            nonlocal states, position
            values, states = self._segment(token_ids, targets, states)
            values = values.numpy()
            if not np.isfinite(values).all():
                raise ValueError(
                    f"learning_rate must be so low that the model does not diverge, but is {self.settings.learning_rate!r}: "
                    f"the log-likelihood of a token among the {len(values)} after token {position} is not finite."
                )
            position += len(values)
            return values

        return segment

    def _loss_and_gradients(self, token_ids: Any, targets: Any, states: list[Any]) -> tuple[Any, list[Any], list[Any]]:
        """The losses of all tokens, the last states, and the gradients of the mean loss, in the variables' dtypes."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.variables)
            logits, states = self.model(token_ids, initial_state=states, return_state=True, training=False)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
            loss = self._loss_scale * tf.reduce_mean(losses)
        gradients = tape.gradient(loss, self.variables, unconnected_gradients="zero")
        return losses, states, [tf.convert_to_tensor(gradient) / self._loss_scale for gradient in gradients]

    def _read_and_learn(self) -> Callable[..., Any]:
        settings, trained = self.settings, [tf.Variable(variable, trainable=False) for variable in self.variables]
        divisors, decays = self._divisors_and_decays()

        def read_and_learn(token_ids: Any, targets: Any, states: list[Any]) -> Any:
            losses, states, gradients = self._loss_and_gradients(token_ids, targets, states)
            for theta, theta_g, gradient, divisor, decay in zip(self.variables, trained, gradients, divisors, decays):
                theta.assign_add(decay * (theta_g - theta) - settings.learning_rate * gradient / divisor)
            return -tf.cast(losses[0], tf.float64), states

        self._trained = trained  # or the graph's variables would be gone
        return read_and_learn

    def _divisors_and_decays(self) -> tuple[list[Any], list[Any]]:
        settings = self.settings
        if settings.method == "sgd":
            return [1.0] * len(self.variables), [settings.decay] * len(self.variables)
        roots = self._root_mean_square_gradients()
        mean = sum(float(tf.reduce_sum(root)) for root in roots) / sum(root.shape.num_elements() for root in roots)
        decays = [tf.minimum(settings.decay * root / mean, 1.0) for root in roots]
        return [root + settings.epsilon for root in roots], decays

    def _root_mean_square_gradients(self) -> list[Any]:
        token_ids = np.asarray(self.tokenizer.tokenize(self.settings.training_text), "int32")
        steps = self.num_steps
        rows = min(self.settings.rows, (len(token_ids) - 1) // steps)
        if rows < 1:
            raise ValueError(
                f"training_text must have more tokens than a segment's num_steps={steps}, but has {len(token_ids)}."
            )
        length = (len(token_ids) - 1) // rows
        inputs, targets = (token_ids[first : first + rows * length].reshape(rows, length) for first in (0, 1))
        sums = [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in self.variables]

        @tf.function(reduce_retracing=True)
        def add_squares(token_ids: Any, targets: Any, states: list[Any]) -> list[Any]:
            _, states, gradients = self._loss_and_gradients(token_ids, targets, states)
            for total, gradient in zip(sums, gradients):
                total.assign_add(tf.square(gradient))
            return states

        states, count = self.model.get_initial_state(rows), length // steps
        for start in range(0, count * steps, steps):
            part = slice(start, start + steps)
            states = add_squares(tf.constant(inputs[:, part]), tf.constant(targets[:, part]), states)
        return [tf.sqrt(total / count) for total in sums]
