"""What a run is made of: the model's and the optimizer's hyperparameters."""

import math
import numbers
from dataclasses import dataclass, fields
from typing import Any

from kerasrnn._backend import keras
from kerasrnn.cells import GRUCell, LSTMCell, SimpleRNNCell
from kerasrnn.metrics import BitsPerCharacter, Perplexity
from kerasrnn.models import LanguageModel
from kerasrnn.tokenizers import CharTokenizer

CELLS = {"lstm": LSTMCell, "gru": GRUCell, "simple_rnn": SimpleRNNCell}
SCHEDULES = ("cosine", "constant")


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of a character language model and its training.

    Args:
        cell: "lstm", "gru" or "simple_rnn".
        units: Width of a layer.
        layers: Number of recurrent layers.
        embedding: Width of the embedding, "one_hot" for one-hot vectors, or None for `units`.
        dropout: Share of the embedding and of each layer's outputs dropped in training, in [0, 1).
        tie_embeddings: Whether the output layer is the embedding transposed.
        epochs: Passes over the training text.
        batch_size: Windows in a batch.
        num_steps: Tokens in a window.
        learning_rate: Adam's learning rate, at the start of the schedule.
        schedule: "cosine", down to 0 at the end of the last epoch, or "constant".
        clip_norm: The largest norm of the gradient; a larger one is scaled down to it. 0 for no clipping.
        seed: Of the first weights, the windows of each epoch, and dropout: an integer of at least 0.

    Raises:
        ValueError: If a value is outside its range.

    Example:

    >>> import kerasrnn
    >>> tokenizer = kerasrnn.tokenizers.CharTokenizer(["?", "a", "b"], unknown_token="?", start_token="a")
    >>> settings = Settings(cell="gru", units=8, layers=2)
    >>> model = settings.compiled_model(tokenizer, steps_per_epoch=100)
    >>> model.state_names
    ['state_0_h', 'state_1_h']
    >>> Settings(cell="gru", units=16, layers=2).differences(settings)
    ['units: 16, was 8']
    """

    cell: str = "lstm"
    units: int = 256
    layers: int = 2
    embedding: int | str | None = None
    dropout: float = 0.0
    tie_embeddings: bool = False
    epochs: int = 10
    batch_size: int = 32
    num_steps: int = 64
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    clip_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("cell", CELLS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, but is {getattr(self, name)!r}.")
        for name, least in (("units", 1), ("layers", 1), ("epochs", 1), ("batch_size", 1), ("num_steps", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, but is {value!r}.")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be a positive number, but is {self.learning_rate!r}. Try 0.002.")
        if not 0 <= self.clip_norm < math.inf:
            raise ValueError(f"clip_norm must be a number of at least 0 (0: no clipping), but is {self.clip_norm!r}.")

    def compiled_model(self, tokenizer: CharTokenizer, steps_per_epoch: int) -> LanguageModel:
        """Creates the model, ready for `fit`: embedding and dropout are checked there.

        Args:
            tokenizer: What turns text into token ids.
            steps_per_epoch: Batches in an epoch, which the schedule counts by.
        """
        cells = [CELLS[self.cell](self.units) for _ in range(self.layers)]
        model = LanguageModel(
            cells, tokenizer, embedding=self.embedding, dropout=self.dropout, tie_embeddings=self.tie_embeddings
        )
        learning_rate: Any = self.learning_rate
        if self.schedule == "cosine":
            learning_rate = keras.optimizers.schedules.CosineDecay(learning_rate, self.epochs * steps_per_epoch)
        optimizer = keras.optimizers.Adam(learning_rate, global_clipnorm=self.clip_norm or None)
        model.compile(optimizer, weighted_metrics=[Perplexity(), BitsPerCharacter()])
        return model

    def differences(self, earlier: "Settings") -> list[str]:
        """Lists what keeps a training with these settings from going on where one with `earlier` ones stopped.

        More epochs do not.
        """
        names = [field.name for field in fields(self)]
        changed = [name for name in names if getattr(self, name) != getattr(earlier, name)]
        if self.epochs > earlier.epochs:
            changed.remove("epochs")
        return [f"{name}: {getattr(self, name)}, was {getattr(earlier, name)}" for name in changed]
