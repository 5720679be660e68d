"""Samplers that draw one token after the other: named settings of `next_token`."""

from typing import Any, Self

from kerasrnn._backend import keras, tf
from kerasrnn._portable.arguments import COUNT, SETTINGS, one_value
from kerasrnn.samplers.next_token import next_token


@keras.saving.register_keras_serializable(package="kerasrnn")
class Sampler:
    """Draws the next token from what its filters leave: repetition penalty, temperature, top-k, top-p, min-p, in this order.

    It holds no state: the draw is a function of logits, seed and step, the same in every runtime. `next_token` gives the
    definitions and the papers. A subclass with its own `__call__` draws as it likes: `LanguageModel.generate` calls it for
    every token, with tensors that hold values. Exported models take settings only.

    Args:
        temperature: the logits are divided by it; 0 always takes the most likely token.
        top_k: draw from the k most likely tokens; 0 for all.
        top_p: draw from the fewest tokens whose probabilities reach p, in (0, 1]; 1 for all.
        min_p: draw from tokens at least this share as likely as the most likely one, in [0, 1]; 0 for all.
        repetition_penalty: above 1, tokens seen before become less likely; 1 is off.

    Call arguments:
        logits: (batch, vocabulary) float; −inf for a token that is never to be drawn.
        seed: (batch,) integers, or one for all rows.
        step: integer, the number of tokens drawn before.
        seen: (batch, vocabulary) booleans, the tokens that the repetition penalty is for; none by default.

    Returns:
        (batch,) int32 token ids.

    Raises:
        ValueError: an argument outside its range.

    Example:

    >>> import kerasrnn
    >>> sampler = kerasrnn.samplers.Sampler(temperature=0.8, top_k=2)
    >>> sampler([[0.0, 3.0, 2.0]] * 5, seed=[1, 2, 3, 4, 5]).numpy()
    array([1, 1, 1, 1, 2], dtype=int32)
    >>> kerasrnn.samplers.get("top_p").get_config()
    {'p': 0.9, 'temperature': 1.0, 'repetition_penalty': 1.0}
    """

    def __init__(
        self,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
    ) -> None:
        self.temperature = one_value("temperature", temperature, SETTINGS["temperature"])
        self.top_k = one_value("top_k", top_k, SETTINGS["top_k"])
        self.top_p = one_value("top_p", top_p, SETTINGS["top_p"])
        self.min_p = one_value("min_p", min_p, SETTINGS["min_p"])
        self.repetition_penalty = one_value("repetition_penalty", repetition_penalty, SETTINGS["repetition_penalty"])

    @property
    def settings(self) -> dict[str, Any]:
        """The five settings by name, as `LanguageModel.generate` and the exported models take them."""
        return {name: getattr(self, name) for name in SETTINGS if name != "seed"}

    def __call__(self, logits: Any, seed: Any, step: Any = 0, seen: Any = None) -> Any:
        logits = tf.convert_to_tensor(logits, tf.float32)
        rows = tf.shape(logits)[0]
        given = {name: tf.fill((rows,), tf.constant(v, SETTINGS[name].dtype)) for name, v in self.settings.items()}
        seed = tf.broadcast_to(tf.cast(seed, tf.int64), (rows,))
        seen = tf.zeros_like(logits, bool) if seen is None else tf.cast(seen, bool)
        return next_token(logits, **given, seen=seen, seed=seed, step=tf.cast(step, tf.int64))

    def get_config(self) -> dict[str, Any]:
        return self.settings

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.get_config().items())})"

    def _shared(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "repetition_penalty": self.repetition_penalty}


@keras.saving.register_keras_serializable(package="kerasrnn")
class Greedy(Sampler):
    """Always the most likely token: `Sampler(temperature=0)`.

    Args:
        repetition_penalty: above 1, tokens seen before become less likely; 1 is off.

    Example:

    >>> Greedy()([[0.0, 3.0, 1.0]], seed=0).numpy()
    array([1], dtype=int32)
    """

    def __init__(self, repetition_penalty: float = 1.0) -> None:
        super().__init__(temperature=0.0, repetition_penalty=repetition_penalty)

    def get_config(self) -> dict[str, Any]:
        return {"repetition_penalty": self.repetition_penalty}


@keras.saving.register_keras_serializable(package="kerasrnn")
class Random(Sampler):
    """Draws from all tokens, as likely as the model says: `Sampler(temperature=…)`.

    Args:
        temperature: the logits are divided by it.
        repetition_penalty: above 1, tokens seen before become less likely; 1 is off.

    Example:

    >>> Random(temperature=0.5)
    Random(temperature=0.5, repetition_penalty=1.0)
    """

    def __init__(self, temperature: float = 1.0, repetition_penalty: float = 1.0) -> None:
        super().__init__(temperature=temperature, repetition_penalty=repetition_penalty)

    def get_config(self) -> dict[str, Any]:
        return self._shared()


@keras.saving.register_keras_serializable(package="kerasrnn")
class TopK(Sampler):
    """Draws from the k most likely tokens (Fan et al., 2018): `Sampler(top_k=k)`.

    Args:
        k: how many, at least 1.
        temperature: the logits are divided by it.
        repetition_penalty: above 1, tokens seen before become less likely; 1 is off.

    Example:

    >>> TopK(1)([[0.0, 3.0, 1.0]], seed=0).numpy()
    array([1], dtype=int32)
    """

    def __init__(self, k: int = 40, temperature: float = 1.0, repetition_penalty: float = 1.0) -> None:
        self.k = one_value("k", k, COUNT)
        super().__init__(temperature=temperature, top_k=self.k, repetition_penalty=repetition_penalty)

    def get_config(self) -> dict[str, Any]:
        return {"k": self.k, **self._shared()}


@keras.saving.register_keras_serializable(package="kerasrnn")
class TopP(Sampler):
    """Draws from the fewest tokens whose probabilities reach p (Holtzman et al., 2020): `Sampler(top_p=p)`.

    Args:
        p: in (0, 1]; 1 keeps all.
        temperature: the logits are divided by it.
        repetition_penalty: above 1, tokens seen before become less likely; 1 is off.

    Example:

    >>> TopP(0.5)([[0.0, 3.0, 1.0]], seed=0).numpy()
    array([1], dtype=int32)
    """

    def __init__(self, p: float = 0.9, temperature: float = 1.0, repetition_penalty: float = 1.0) -> None:
        self.p = one_value("p", p, SETTINGS["top_p"])
        super().__init__(temperature=temperature, top_p=self.p, repetition_penalty=repetition_penalty)

    def get_config(self) -> dict[str, Any]:
        return {"p": self.p, **self._shared()}


@keras.saving.register_keras_serializable(package="kerasrnn")
class MinP(Sampler):
    """Draws from tokens at least p times as likely as the most likely one (Nguyen et al., 2024): `Sampler(min_p=p)`.

    Args:
        p: in [0, 1]; 0 keeps all.
        temperature: the logits are divided by it.
        repetition_penalty: above 1, tokens seen before become less likely; 1 is off.

    Example:

    >>> MinP(0.5)([[0.0, 3.0, 1.0]], seed=0).numpy()
    array([1], dtype=int32)
    """

    def __init__(self, p: float = 0.1, temperature: float = 1.0, repetition_penalty: float = 1.0) -> None:
        self.p = one_value("p", p, SETTINGS["min_p"])
        super().__init__(temperature=temperature, min_p=self.p, repetition_penalty=repetition_penalty)

    def get_config(self) -> dict[str, Any]:
        return {"p": self.p, **self._shared()}
