"""What a run is made of: the tokenizer's, the model's and the optimizer's hyperparameters."""

import math
import numbers
from dataclasses import dataclass, fields
from typing import Any

from kerasrnn._backend import keras
from kerasrnn.cells import GRUCell, LSTMCell, SimpleRNNCell
from kerasrnn.metrics import BitsPerCharacter, Perplexity
from kerasrnn.models import LanguageModel
from kerasrnn.tokenizers import Tokenizer
from kerasrnn.training.new_tokenizer import TOKENIZERS, new_tokenizer

CELLS = {"lstm": LSTMCell, "gru": GRUCell, "simple_rnn": SimpleRNNCell}
SCHEDULES = ("cosine", "constant")
POLICIES = ("mixed_float16", "mixed_bfloat16")
TOKENIZER_SETTINGS = (
    "tokenizer", "vocabulary_size", "minimum_frequency", "lowercase", "normalization", "standardize", "pattern",
    "subword_model",
)  # fmt: skip
_CHOICES = {"tokenizer": TOKENIZERS, "subword_model": ("unigram", "bpe"), "cell": (*CELLS,), "schedule": SCHEDULES}
_LEAST = {
    "vocabulary_size": 3,
    "minimum_frequency": 1,
    "units": 1,
    "layers": 1,
    "epochs": 1,
    "batch_size": 1,
    "num_steps": 1,
    "seed": 0,
}
_NUMBERS = {"learning_rate": "a positive number", "clip_norm": "a number of at least 0", "dropout": "a share in [0, 1)"}


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of a language model, its tokenizer and its training.

    Args:
        tokenizer: What a token is: "char", "byte", "word" or "subword". The words of a corpus that is published tokenised
            are split as it is: see `pattern`.
        vocabulary_size: The largest vocabulary, unknown and start token included; None for no limit, or 8000 subwords.
        minimum_frequency: How often a word or character must occur in the training text to have a token.
        lowercase: Whether words or characters are brought to lower case.
        normalization: For characters "NFC" or "NFKC"; for subwords "nfkc", "nmt_nfkc", "nfkc_cf" or "nmt_nfkc_cf".
        standardize: "letters" for the book's characters: A to Z in lower case, all else a space.
        pattern: What a word is: "words_and_symbols" (each punctuation mark is a token), "words_and_spaces" (spaces are
            kept), "non_spaces", "non_spaces_and_line_ends" (a newline is a token, as `<eos>` in papers), or a regular
            expression in the syntax of `kerasrnn.tokenizers.patterns`. None: "non_spaces_and_line_ends" for ptb,
            wikitext2, text8 and enwik8, "words_and_symbols" for all other corpora.
        subword_model: "unigram" or "bpe".
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
        mixed_precision: "mixed_float16" or "mixed_bfloat16", Keras's dtype policy; None for float32.
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

    tokenizer: str = "char"
    vocabulary_size: int | None = None
    minimum_frequency: int = 1
    lowercase: bool = False
    normalization: str | None = None
    standardize: str | None = None
    pattern: str | None = None
    subword_model: str = "unigram"
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
    mixed_precision: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, but is {getattr(self, name)!r}.")
        if self.mixed_precision not in (None, *POLICIES):
            raise ValueError(
                f"mixed_precision must be one of {', '.join(POLICIES)}, or left out for float32, "
                f"but is {self.mixed_precision!r}."
            )
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is None and name == "vocabulary_size":
                continue
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, but is {value!r}.")
        for name in ("lowercase", "tie_embeddings"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false, but is {getattr(self, name)!r}.")
        for name, expected in _NUMBERS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, numbers.Real):
                raise ValueError(f"{name} must be {expected}, but is {value!r}.")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be a positive number, but is {self.learning_rate!r}. Try 0.002.")
        if not 0 <= self.clip_norm < math.inf:
            raise ValueError(f"clip_norm must be a number of at least 0 (0: no clipping), but is {self.clip_norm!r}.")
        self.new_tokenizer()

    def new_tokenizer(self, corpus_name: str | None = None) -> Tokenizer:
        """Creates the tokenizer, yet to be adapted.

        Args:
            corpus_name: The corpus's name, which tells how its words are split where `pattern` is None.
        """
        defaults = {field.name: field.default for field in fields(self)}
        options = {name: getattr(self, name) for name in TOKENIZER_SETTINGS[1:] if getattr(self, name) != defaults[name]}
        return new_tokenizer(self.tokenizer, options, corpus_name)

    def compiled_model(self, tokenizer: Tokenizer, steps_per_epoch: int, characters_per_token: float = 1.0) -> LanguageModel:
        """Creates the model, ready for `fit`: embedding and dropout are checked there.

        Args:
            tokenizer: What turns text into token ids.
            steps_per_epoch: Batches in an epoch, which the schedule counts by.
            characters_per_token: Of the training text, for the metric in bits per character.
        """
        dtype = self.mixed_precision
        cells = [CELLS[self.cell](self.units, dtype=dtype) for _ in range(self.layers)]
        model = LanguageModel(
            cells,
            tokenizer,
            embedding=self.embedding,
            dropout=self.dropout,
            tie_embeddings=self.tie_embeddings,
            dtype=dtype,
        )
        learning_rate: Any = self.learning_rate
        if self.schedule == "cosine":
            learning_rate = keras.optimizers.schedules.CosineDecay(learning_rate, self.epochs * steps_per_epoch)
        optimizer = keras.optimizers.Adam(learning_rate, global_clipnorm=self.clip_norm or None)
        # In mixed precision too the metrics are float32.
        metrics = [Perplexity(dtype="float32"), BitsPerCharacter(characters_per_token, dtype="float32")]
        model.compile(optimizer, weighted_metrics=metrics)
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
