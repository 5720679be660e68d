"""Published language models, and some for a small machine: networks, settings, and the figures to reach."""

from dataclasses import dataclass, fields, replace
from typing import Any

from kerasrnn.models.recipe import Recipe

_ZAREMBA = Recipe(
    cell="lstm", layers=2, stateful=True, batch_size=20, optimizer="sgd", learning_rate=1.0, schedule="decay", clip_norm=5.0,
    summed_loss=True,
)  # fmt: skip
_CHARACTERS = Recipe(
    layers=2, units=512, embedding=128, locked_dropout=True, dropout=0.4, stateful=True, batch_size=32, num_steps=128,
    epochs=20, learning_rate=3e-3, warmup_steps=100, weight_decay=0.01, averaging="ema",
)  # fmt: skip


@dataclass(frozen=True)
class Preset:
    """A language model with the settings that it is trained with.

    Attributes:
        name: Its name.
        recipe: All hyperparameters.
        tokenizer: The kind of tokens, "word" or "char".
        paper: Where it comes from.
        corpus: What it is for: the corpus that `figure` is about.
        figure: What it should reach there.

    See `preset` for an example.
    """

    name: str
    recipe: Recipe
    tokenizer: str
    paper: str
    corpus: str
    figure: str

    def network(self, dtype: Any = None) -> dict[str, Any]:
        """The arguments of `LanguageModel` other than its vocabulary."""
        return self.recipe.network(dtype)

    def compile(self, steps_per_epoch: int) -> dict[str, Any]:
        """The arguments of `LanguageModel.compile`: a new optimizer, whose schedule counts by `steps_per_epoch` batches."""
        return self.recipe.compile(steps_per_epoch)

    @property
    def fit(self) -> dict[str, Any]:
        """The arguments of `LanguageModel.fit` other than the data and the callbacks."""
        return {"epochs": self.recipe.epochs}

    @property
    def windows(self) -> dict[str, Any]:
        """The arguments of `kerasrnn.data.language_model_dataset` other than text and tokenizer.

        With `recipe.variable_steps` they are those of `kerasrnn.data.variable_windows`.
        """
        arguments = {"batch_size": self.recipe.batch_size, "num_steps": self.recipe.num_steps}
        if self.recipe.stateful and not self.recipe.variable_steps:
            arguments |= {"contiguous": True, "shuffle": False}
        return arguments


_PRESETS = {
    made.name: made
    for made in (
        Preset(
            "zaremba_small",
            replace(_ZAREMBA, units=200, num_steps=20, epochs=13, decay=0.5, decay_after=4, initial_scale=0.1),
            "word",
            "Zaremba, Sutskever and Vinyals, 2014, Recurrent neural network regularization, arXiv:1409.2329: the LSTM "
            "without regularization, as in TensorFlow's tutorial on it",
            "Penn Treebank",
            "perplexity 115.9 on the test split (the paper's own run: 114.5)",
        ),
        Preset(
            "zaremba_medium",
            replace(
                _ZAREMBA, units=650, num_steps=35, epochs=39, decay=1 / 1.2, decay_after=6, initial_scale=0.05, dropout=0.5
            ),
            "word",
            "Zaremba, Sutskever and Vinyals, 2014, Recurrent neural network regularization, arXiv:1409.2329",
            "Penn Treebank",
            "perplexity 82.7 on the test split",
        ),
        Preset(
            "awd_lstm",
            Recipe(
                cell="lstm", units=1150, layers=3, embedding=400, tie_embeddings=True, dropout=0.25, input_dropout=0.4,
                output_dropout=0.4, embedding_dropout=0.1, locked_dropout=True, weight_drop=0.5, activity_regularization=2.0,
                temporal_activity_regularization=1.0, stateful=True, epochs=500, batch_size=20, num_steps=70,
                variable_steps=True, optimizer="sgd", learning_rate=30.0, schedule="constant", clip_norm=0.25,
                weight_decay=1.2e-6, averaging="nt_asgd",
            ),
            "word",
            "Merity, Keskar and Socher, 2018, Regularizing and optimizing LSTM language models, arXiv:1708.02182: the "
            "command of its public code, without fine-tuning; weights begin at Keras's usual values rather than PyTorch's",
            "Penn Treebank",
            "perplexity 58.8 on the test split, as that code states (with fine-tuning the paper has 57.3)",
        ),
        Preset(
            "char_lstm",
            replace(_CHARACTERS, cell="lstm"),
            "char",
            "Merity, Keskar and Socher, 2018, An analysis of neural language modeling at multiple scales, arXiv:1803.08240: "
            "a smaller LSTM, sized for an hour on two CPU cores",
            "tiny_shakespeare",
            "1.408 nats a character on the last 10%: our own run (docs/results.md), not a published figure",
        ),
        Preset(
            "char_gru",
            replace(_CHARACTERS, cell="gru"),
            "char",
            "Cho et al., 2014, Learning phrase representations using RNN encoder-decoder, arXiv:1406.1078: the cell; sized "
            "for an hour on two CPU cores",
            "tiny_shakespeare",
            "at most 1.50 nats a character on the validation split: the aim, not a published figure",
        ),
        Preset(
            "min_gru",
            replace(_CHARACTERS, cell="min_gru", layers=3),
            "char",
            "Feng et al., 2024, Were RNNs all we needed?, arXiv:2410.01201: its cell in a plain stack, where the paper's "
            "blocks have convolutions and feed-forward layers too",
            "tiny_shakespeare",
            "1.548 nats a character on the validation split, as the paper has with its larger blocks",
        ),
    )
}
PRESETS = (*_PRESETS,)


def preset(name: str, **changes: Any) -> Preset:
    """Looks a preset up: a published network with its training, or one for a small machine.

    | name | network | trained by | on |
    | --- | --- | --- | --- |
    | zaremba_small | LSTM, 2 × 200 | SGD, halved each epoch after 4 of 13 | Penn Treebank: perplexity 115.9 |
    | zaremba_medium | LSTM, 2 × 650, dropout | SGD, over 1.2 each epoch after 6 of 39 | Penn Treebank: 82.7 |
    | awd_lstm | AWD-LSTM, 3 × 1150 | NT-ASGD, windows of various lengths | Penn Treebank: 58.8 |
    | char_lstm, char_gru | 2 × 512, dropout | AdamW, warm-up and cosine, averaged | characters, an hour on two cores |
    | min_gru | minGRU, 3 × 512 | likewise | likewise |

    Args:
        name: One of `kerasrnn.models.PRESETS`.
        **changes: Other values of hyperparameters: see `Recipe`.

    Returns:
        A `Preset`.

    Raises:
        ValueError: If there is no such preset or hyperparameter, or a value is outside its range.

    Example:

    >>> import kerasrnn
    >>> text = "the cat sat on the mat and the dog sat on the cat " * 40
    >>> tokenizer = kerasrnn.tokenizers.WordTokenizer()
    >>> tokenizer.adapt(text)
    >>> preset = kerasrnn.models.preset("zaremba_small", units=8, epochs=1)
    >>> preset.corpus, preset.figure
    ('Penn Treebank', "perplexity 115.9 on the test split (the paper's own run: 114.5)")
    >>> model = kerasrnn.models.LanguageModel.from_preset(preset, tokenizer)
    >>> windows = kerasrnn.data.language_model_dataset(text, tokenizer, **preset.windows)
    >>> model.compile(**preset.compile(steps_per_epoch=len(windows)))
    >>> history = model.fit(windows, **preset.fit, verbose=0)
    """
    if name not in _PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, but is {name!r}.")
    made = _PRESETS[name]
    known = [entry.name for entry in fields(Recipe)]
    for change in changes:
        if change not in known:
            raise ValueError(f"A preset has no hyperparameter {change!r}; its hyperparameters are {', '.join(known)}.")
    return replace(made, recipe=replace(made.recipe, **changes))


_named = preset  # within from_preset its argument has that name


class FromPreset:
    """What makes a `LanguageModel` from a preset."""

    @classmethod
    def from_preset(
        cls,
        preset: str | Preset,
        tokenizer: Any = None,
        vocabulary_size: int | None = None,
        **changes: Any,
    ) -> Any:
        """Makes the network of a preset, untrained: see `kerasrnn.models.preset` for those there are, and an example.

        Args:
            preset: A preset's name, or what `kerasrnn.models.preset` returned.
            tokenizer: As in `LanguageModel`.
            vocabulary_size: As in `LanguageModel`, where no tokenizer is given.
            **changes: Other values of arguments of `LanguageModel`, as `dropout` or `dtype`. (Those of the preset's
                hyperparameters, as `units`, are for `kerasrnn.models.preset`.)

        Returns:
            A `LanguageModel`, yet to be compiled.

        Raises:
            ValueError: If there is no such preset, or neither or both of tokenizer and vocabulary_size are given.
        """
        found = _named(preset) if isinstance(preset, str) else preset
        network = found.network(changes.pop("dtype", None))
        return cls(tokenizer=tokenizer, vocabulary_size=vocabulary_size, **(network | changes))  # type: ignore[call-arg]
