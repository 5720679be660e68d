"""What a run is made of: the tokenizer's, the model's and the optimizer's hyperparameters."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from kerasrnn._backend import keras
from kerasrnn.metrics import BitsPerCharacter, Perplexity
from kerasrnn.models import LanguageModel, Recipe, preset
from kerasrnn.models.recipe import check_boolean, check_choice, check_integer
from kerasrnn.tokenizers import Tokenizer
from kerasrnn.training.averaged_weights import MovingAverage
from kerasrnn.training.new_tokenizer import TOKENIZERS, new_tokenizer
from kerasrnn.training.nt_asgd import NonMonotonicASGD
from kerasrnn.training.variable_length_rate import VariableLengthRate

POLICIES = ("mixed_float16", "mixed_bfloat16")
TOKENIZER_SETTINGS = (
    "tokenizer", "vocabulary_size", "minimum_frequency", "lowercase", "normalization", "standardize", "pattern",
    "subword_model",
)  # fmt: skip
_CHOICES = {"tokenizer": TOKENIZERS, "subword_model": ("unigram", "bpe")}


@dataclass(frozen=True)
class Settings(Recipe):
    """Hyperparameters of a language model, its tokenizer and its training.

    Args:
        (those of `kerasrnn.models.Recipe`, for the model and its training)
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
    mixed_precision: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, choices in _CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        if self.mixed_precision not in (None, *POLICIES):
            raise ValueError(
                f"mixed_precision must be one of {', '.join(POLICIES)}, or left out for float32, "
                f"but is {self.mixed_precision!r}."
            )
        if self.vocabulary_size is not None:
            check_integer("vocabulary_size", self.vocabulary_size, 3)
        check_integer("minimum_frequency", self.minimum_frequency, 1)
        check_integer("seed", self.seed, 0)
        check_boolean("lowercase", self.lowercase)
        self.new_tokenizer()

    @classmethod
    def from_preset(cls, name: str, **changes: Any) -> "Settings":
        """The settings of a preset: see `kerasrnn.models.preset`.

        Args:
            name: The preset's name.
            **changes: Other values of some settings.

        Raises:
            ValueError: If there is no such preset, or a value is outside its range.

        Example:

        >>> settings = Settings.from_preset("zaremba_small", epochs=2)
        >>> settings.tokenizer, settings.units, settings.epochs
        ('word', 200, 2)
        """
        found = preset(name)
        return cls(**{**asdict(found.recipe), "tokenizer": found.tokenizer, **changes})

    def new_tokenizer(self, corpus_name: str | None = None) -> Tokenizer:
        """Creates the tokenizer, yet to be adapted.

        Args:
            corpus_name: The corpus's name, which tells how its words are split where `pattern` is None.
        """
        defaults = {field.name: field.default for field in fields(self)}
        options = {name: getattr(self, name) for name in TOKENIZER_SETTINGS[1:] if getattr(self, name) != defaults[name]}
        return new_tokenizer(self.tokenizer, options, corpus_name)

    def compiled_model(
        self, tokenizer: Tokenizer, steps_per_epoch: int, characters_per_token: float | None = 1.0
    ) -> LanguageModel:
        """Creates the model, ready for `fit`: embedding and dropout are checked there.

        Args:
            tokenizer: What turns text into token ids.
            steps_per_epoch: Batches in an epoch, which the schedule counts by.
            characters_per_token: Of the training text, for the metric in bits per character; None to do without.
        """
        model = LanguageModel(tokenizer=tokenizer, **self.network(self.mixed_precision))
        # In mixed precision too the metrics are float32.
        metrics: list[keras.metrics.Metric] = [Perplexity(dtype="float32")]
        if characters_per_token is not None:
            metrics.append(BitsPerCharacter(characters_per_token, dtype="float32"))
        model.compile(**self.compile(steps_per_epoch), weighted_metrics=metrics)
        return model

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """New callbacks that `fit` needs for these settings: of variable lengths, and of averaged weights."""
        averaging = {None: [], "ema": [MovingAverage], "nt_asgd": [NonMonotonicASGD]}[self.averaging]
        rate = [VariableLengthRate(self.num_steps)] if self.variable_steps else []
        return [*rate, *(callback() for callback in averaging)]

    def differences(self, earlier: "Settings") -> list[str]:
        """Lists what keeps a training with these settings from going on where one with `earlier` ones stopped.

        More epochs do not.
        """
        names = [field.name for field in fields(self)]
        changed = [name for name in names if getattr(self, name) != getattr(earlier, name)]
        if self.epochs > earlier.epochs:
            changed.remove("epochs")
        return [f"{name}: {getattr(self, name)}, was {getattr(earlier, name)}" for name in changed]
