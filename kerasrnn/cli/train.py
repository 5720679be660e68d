"""kerasrnn train"""

from dataclasses import fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from kerasrnn.cli import _corpora
from kerasrnn.cli._folders import is_run, require_corpus, require_file
from kerasrnn.cli._settings_file import read_settings
from kerasrnn.cli._tensorflow import load_tensorflow

_TOKENIZER, _MODEL, _TRAINING = "Tokenizer", "Model", "Training"


class Tokenizer(StrEnum):
    CHAR = "char"
    BYTE = "byte"
    WORD = "word"
    SUBWORD = "subword"


class SubwordModel(StrEnum):
    UNIGRAM = "unigram"
    BPE = "bpe"


class Cell(StrEnum):
    LSTM = "lstm"
    GRU = "gru"
    SIMPLE_RNN = "simple_rnn"
    MIN_GRU = "min_gru"


class Preset(StrEnum):
    ZAREMBA_SMALL = "zaremba_small"
    ZAREMBA_MEDIUM = "zaremba_medium"
    AWD_LSTM = "awd_lstm"
    CHAR_LSTM = "char_lstm"
    CHAR_GRU = "char_gru"
    MIN_GRU = "min_gru"


class Optimizer(StrEnum):
    ADAM = "adam"
    SGD = "sgd"


class Schedule(StrEnum):
    COSINE = "cosine"
    CONSTANT = "constant"
    DECAY = "decay"


class Averaging(StrEnum):
    EMA = "ema"
    NT_ASGD = "nt_asgd"


class Truncation(StrEnum):
    REGULAR = "regular"
    RANDOMIZED = "randomized"


class MixedPrecision(StrEnum):
    MIXED_FLOAT16 = "mixed_float16"
    MIXED_BFLOAT16 = "mixed_bfloat16"


def _option(panel: str, help: str, *names: str, **options: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **options)


def train(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="The run's folder: a new one, or one to go on with.")],
    arguments: _corpora.Arguments = None,
    corpus: _corpora.Option = None,
    encoding: _corpora.Encoding = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", help="Settings, as units = 512, and corpus; options win over the file."),
    ] = None,
    preset: Annotated[
        Preset | None,
        typer.Option(help="Settings of a published model, or of one for two CPU cores; all other options win over it."),
    ] = None,
    tokenizer: Annotated[Tokenizer, _option(_TOKENIZER, "What a token is.")] = Tokenizer.CHAR,
    vocabulary_size: Annotated[
        int | None, _option(_TOKENIZER, "Most tokens in the vocabulary; no limit by default, 8000 subwords.", min=3)
    ] = None,
    minimum_frequency: Annotated[int, _option(_TOKENIZER, "Rarer words or characters are unknown.", min=1)] = 1,
    lowercase: Annotated[bool, _option(_TOKENIZER, "Lower the case of words or characters.", "--lowercase")] = False,
    normalization: Annotated[
        str | None, _option(_TOKENIZER, "NFC or NFKC for characters; nfkc, nmt_nfkc and the same with _cf for subwords.")
    ] = None,
    standardize: Annotated[
        str | None, _option(_TOKENIZER, "letters: characters A to Z in lower case, all else a space.")
    ] = None,
    pattern: Annotated[
        str | None,
        _option(
            _TOKENIZER,
            "What a word is: words_and_symbols, words_and_spaces, non_spaces, non_spaces_and_line_ends, or a regular "
            "expression; by default the first, or for ptb, wikitext2, text8 and enwik8 the last.",
        ),
    ] = None,
    subword_model: Annotated[SubwordModel, _option(_TOKENIZER, "SentencePiece's kind.")] = SubwordModel.UNIGRAM,
    cell: Annotated[Cell, _option(_MODEL, "The recurrent cell.")] = Cell.LSTM,
    units: Annotated[int, _option(_MODEL, "Width of a layer.", min=1)] = 256,
    layers: Annotated[int, _option(_MODEL, "Number of recurrent layers.", min=1)] = 2,
    embedding: Annotated[
        str | None, _option(_MODEL, "Width of the embedding, or one_hot; as units by default.", metavar="N|one_hot")
    ] = None,
    dropout: Annotated[float, _option(_MODEL, "Share of each layer's outputs to drop.", min=0, max=0.99)] = 0.0,
    input_dropout: Annotated[
        float | None, _option(_MODEL, "That share of the embedding's, if another.", min=0, max=0.99)
    ] = None,
    output_dropout: Annotated[
        float | None, _option(_MODEL, "That share of the last layer's, if another.", min=0, max=0.99)
    ] = None,
    embedding_dropout: Annotated[float, _option(_MODEL, "Share of the words to drop.", min=0, max=0.99)] = 0.0,
    locked_dropout: Annotated[
        bool, _option(_MODEL, "Drop the same features at all steps of a window.", "--locked-dropout/--no-locked-dropout")
    ] = False,
    weight_drop: Annotated[float, _option(_MODEL, "Share of each recurrent kernel to drop.", min=0, max=0.99)] = 0.0,
    activity_regularization: Annotated[float, _option(_MODEL, "Penalty on large outputs (AR).", min=0)] = 0.0,
    temporal_activity_regularization: Annotated[float, _option(_MODEL, "Penalty on changing outputs (TAR).", min=0)] = 0.0,
    tie_embeddings: Annotated[
        bool, _option(_MODEL, "Share the embedding's weights with the output layer.", "--tie-embeddings/--no-tie-embeddings")
    ] = False,
    initial_scale: Annotated[
        float | None, _option(_MODEL, "Begin with all weights uniform up to this; by default as Keras does.")
    ] = None,
    initial_gain: Annotated[
        float | None, _option(_MODEL, "Begin with all kernels this many times as large as Keras does.")
    ] = None,
    truncate: Annotated[
        int | None, _option(_TRAINING, "Cut the gradient after so many steps of a window.", min=1)
    ] = None,
    truncation: Annotated[Truncation, _option(_TRAINING, "Cut at fixed steps, or at random ones.")] = Truncation.REGULAR,
    checkpoint_steps: Annotated[
        int | None, _option(_TRAINING, "Keep every k-th state, for less memory; compute the others again.", min=1)
    ] = None,
    stateful: Annotated[
        bool, _option(_TRAINING, "Carry states from batch to batch, over streams of text.", "--stateful/--no-stateful")
    ] = False,
    epochs: Annotated[int, _option(_TRAINING, "Passes over the text; a finished run goes on with more.", min=1)] = 10,
    batch_size: Annotated[int, _option(_TRAINING, "Windows of text in a batch.", min=1)] = 32,
    num_steps: Annotated[int, _option(_TRAINING, "Tokens in a window.", min=1)] = 64,
    variable_steps: Annotated[
        bool,
        _option(_TRAINING, "Vary the windows' lengths; with --stateful.", "--variable-steps/--no-variable-steps"),
    ] = False,
    optimizer: Annotated[Optimizer, _option(_TRAINING, "adam is AdamW with --weight-decay.")] = Optimizer.ADAM,
    learning_rate: Annotated[float, _option(_TRAINING, "The learning rate at the start.")] = 2e-3,
    schedule: Annotated[
        Schedule, _option(_TRAINING, "cosine: down to 0 over the run; decay: by a factor each epoch.")
    ] = Schedule.COSINE,
    warmup_steps: Annotated[int, _option(_TRAINING, "Batches of rising learning rate before the cosine.", min=0)] = 0,
    decay: Annotated[float, _option(_TRAINING, "The factor of the schedule decay.")] = 0.5,
    decay_after: Annotated[int, _option(_TRAINING, "Epochs before the first decay.", min=0)] = 4,
    clip_norm: Annotated[float, _option(_TRAINING, "Largest norm of the gradient; 0 for no clipping.", min=0)] = 1.0,
    summed_loss: Annotated[
        bool,
        _option(_TRAINING, "Learning rate and clip norm are of a loss summed over steps.", "--summed-loss/--no-summed-loss"),
    ] = False,
    weight_decay: Annotated[float, _option(_TRAINING, "Share of the weights taken off, times the rate.", min=0)] = 0.0,
    averaging: Annotated[Averaging | None, _option(_TRAINING, "Average the weights: a moving average, or NT-ASGD.")] = None,
    mixed_precision: Annotated[
        MixedPrecision | None, _option(_TRAINING, "Compute in 16 bits, for accelerators; float32 by default.")
    ] = None,
    max_minutes: Annotated[float | None, _option(_TRAINING, "Stop after so long, to be resumed.")] = None,
    seed: Annotated[int, _option(_TRAINING, "The same seed gives the same run.", min=0)] = 0,
    prompt: Annotated[str, _option(_TRAINING, "What the sample after each epoch goes on from.")] = "",
) -> None:
    """Train a language model on a text: on its characters, bytes, words or subwords.

    Ctrl-C stops after the batch at work, with the best weights saved; the same command goes on after the last
    complete epoch, and so does kerasrnn train --out with that folder alone. The folder then holds model.keras,
    history.csv, curves.png, config.json, tokenizer.json.

    Example:  kerasrnn train moby_dick --out runs/moby --units 512 --layers 1 --epochs 5 --prompt "Call me "

    Example:  kerasrnn train --corpus ptb/ --out runs/ptb --tokenizer word

    Example:  kerasrnn train --preset zaremba_small --corpus ptb/ --out runs/zaremba
    """
    names = _corpora.named_corpus(arguments, corpus)
    require_corpus(names)
    require_file(config, "--config")
    load_tensorflow()
    from kerasrnn import training

    known = [field.name for field in fields(training.Settings)]
    given = {} if config is None else read_settings(config, [*known, "corpus", "preset"])
    in_file = given.pop("corpus", [])
    preset_in_file = given.pop("preset", None)
    chosen = preset or preset_in_file
    names = names or ([in_file] if isinstance(in_file, str) else in_file)
    goes_on = not names and is_run(out)
    if not goes_on:
        _corpora.required_corpus(names, None)
    for name in known:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            value = context.params[name]
            given[name] = value.value if isinstance(value, StrEnum) else value
    if str(given.get("embedding")).isdecimal():
        given["embedding"] = int(given["embedding"])
    if goes_on and not chosen:
        settings = replace(training.RunFolder(out).settings, **given)
    else:
        settings = training.Settings.from_preset(str(chosen), **given) if chosen else training.Settings(**given)
    console = Console(highlight=False)
    command = context.meta.get("kerasrnn.command")
    result = training.train(
        None if goes_on else names, out, settings, max_minutes, prompt, console=console, command=command, encoding=encoding
    )
    if result.stopped_by:
        console.print(
            f"Stopped by the {result.stopped_by} after {result.epochs} of {settings.epochs} epochs; "
            "the same command goes on.",
            soft_wrap=not console.is_terminal,
        )
    else:
        console.print(f"{result.epochs} of {settings.epochs} epochs are complete; --epochs with a larger number goes on.")
    curves = out / "curves.png"
    kept = [f"the best model is {result.run.model_path}"] if result.run.model_path.exists() else []
    kept += [f"the curves are {curves}"] if curves.exists() else []
    if kept:
        console.print(Text(f"Written: {', '.join(kept)}."), soft_wrap=True)
        console.print(Text(f"Next: kerasrnn evaluate {out}  or  kerasrnn generate {out}", "dim"), soft_wrap=True)
